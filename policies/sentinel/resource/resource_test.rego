package sentinel.resource_test

import data.sentinel.resource

graph := {
	"resources": {
		"00000000-0000-0000-0000-00000000000a": {"type": "app", "code": "fleet", "path": "/fleet", "attributes": {"tier": 1}},
		"00000000-0000-0000-0000-00000000000b": {"type": "page", "code": "crew", "path": "/fleet/crew"},
		"00000000-0000-0000-0000-00000000000c": {"type": "entity", "code": "vessel", "path": "/fleet/vessel"},
		"00000000-0000-0000-0000-00000000000d": {"type": "page", "code": "off", "path": "/fleet/off"},
		"00000000-0000-0000-0000-00000000000e": {"type": "page", "code": "below", "path": "/fleet/off/below"},
	},
	"resource_codes": {
		"app": {"fleet": "00000000-0000-0000-0000-00000000000a"},
		"page": {
			"crew": "00000000-0000-0000-0000-00000000000b",
			"off": "00000000-0000-0000-0000-00000000000d",
			"below": "00000000-0000-0000-0000-00000000000e",
		},
		"entity": {"vessel": "00000000-0000-0000-0000-00000000000c", "api": "00000000-0000-0000-0000-00000000000c"},
	},
	"tree": {
		"00000000-0000-0000-0000-00000000000a": [],
		"00000000-0000-0000-0000-00000000000b": ["00000000-0000-0000-0000-00000000000a"],
		"00000000-0000-0000-0000-00000000000c": ["00000000-0000-0000-0000-00000000000a"],
		"00000000-0000-0000-0000-00000000000e": ["00000000-0000-0000-0000-00000000000d"],
	},
}

about(type, id) := {"id": found_id, "path": path, "flows": {substring(node, 35, 1) | some node in flows}} if {
	found_id := resource.id with input as {"resource": {"type": type, "id": id}} with data.sentinel_graph as graph
	path := resource.path with input as {"resource": {"type": type, "id": id}} with data.sentinel_graph as graph
	flows := resource.flows with input as {"resource": {"type": type, "id": id}} with data.sentinel_graph as graph
}

test_node_by_code if about("page", "crew") == {"id": "crew", "path": "/fleet/crew", "flows": {"a", "b"}}

test_node_by_id_goes_by_its_code if {
	about("page", "00000000-0000-0000-0000-00000000000B") == {"id": "crew", "path": "/fleet/crew", "flows": {"a", "b"}}
}

test_id_of_another_type_is_an_instance if {
	about("vessel", "00000000-0000-0000-0000-00000000000b").id == "00000000-0000-0000-0000-00000000000b"
	about("vessel", "00000000-0000-0000-0000-00000000000b").flows == {"a", "c"}
}

test_instance_is_below_the_entity_of_its_type if about("vessel", "mv-atlas") == {"id": "mv-atlas", "path": "", "flows": {"a", "c"}}

test_type_is_below_its_entity if {
	resource.id == "" with input as {"resource": {"type": "vessel"}} with data.sentinel_graph as graph
	count(resource.flows) == 2 with input as {"resource": {"type": "vessel"}} with data.sentinel_graph as graph
}

test_type_without_entity if about("port", "oslo") == {"id": "oslo", "path": "", "flows": set()}

test_inactive_node_cuts_off if {
	about("page", "off").flows == set()
	about("page", "below").flows == {"e"}
}

test_api_is_outside_the_tree if about("api", "users") == {"id": "users", "path": "", "flows": set()}

test_environment_of_a_node if {
	resource.environment == {"id": "fleet", "type": "app", "path": "/fleet", "attributes": {"tier": 1}, "supplied": {"tier": 2}} with input as {"resource": {"type": "app", "id": "fleet", "attributes": {"tier": 2}}}
		with data.sentinel_graph as graph
}

test_environment_of_an_instance if {
	resource.environment == {"id": "x", "type": "port", "path": "", "attributes": {}, "supplied": {}} with input as {"resource": {"type": "port", "id": "x"}}
		with data.sentinel_graph as graph
}

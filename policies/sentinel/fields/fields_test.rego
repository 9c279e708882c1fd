package sentinel.fields_test

import data.sentinel.fields

permission(id, actions, visibilities) := {
	"id": id,
	"effect": "allow",
	"actions": actions,
	"type": "*",
	"glob": "**",
	"type_wide": true,
	"class": 1,
	"literals": 0,
	"fields": visibilities,
}

graph(grants) := {
	"tenant": {"id": "t1", "is_active": true, "time_zone": "UTC"},
	"subjects": {"u1": {"is_active": true, "assignments": [{"node": "role:r"}], "requests": []}},
	"edges": {"role:r": []},
	"roles": {"role:r": {"name": "r", "priority": 1}},
	"grants": {"role:r": grants},
	"resources": {},
	"resource_codes": {},
	"tree": {},
	"chains": [],
	"fields": {
		"vessel": {
			"name": {"tier": "core", "default": "read"},
			"notes": {"tier": "tenant_specific", "default": "write"},
			"secret": {"tier": "tenant_specific", "default": "hidden"},
		},
		"port": {},
		"api": {"name": {"tier": "core", "default": "read"}},
	},
	"policies": [{"root": "tenant", "name": "a", "resource_types": [], "actions": []}],
}

seen_of(type, stored, rules) := found if {
	found := fields.visibilities with input as {"user_id": "u1", "resource": {"type": type, "id": "x"}, "action": "sell"}
		with data.sentinel_graph as stored
		with data.tenant.a as rules
}

sees(grants, rules, visibilities) if {
	seen_of("vessel", graph(grants), rules) == {
		"core": {"name": visibilities[0]},
		"tenant_specific": {"notes": visibilities[1], "secret": visibilities[2]},
	}
}

reads := permission("r", ["read"], {})

updates := permission("u", ["update"], {})

test_defaults if {
	sees([reads], {}, ["read", "read", "hidden"])
	sees([reads, updates], {}, ["read", "write", "hidden"])
	sees([reads, permission("c", ["create"], {})], {}, ["read", "write", "hidden"])
}

test_nothing_is_seen_without_read if {
	sees([], {}, ["hidden", "hidden", "hidden"])
	sees([permission("u", ["update", "create"], {"name": "write", "notes": "read"})], {}, ["hidden", "hidden", "hidden"])
}

test_what_permissions_name if {
	sees([permission("r", ["read"], {"secret": "read"})], {}, ["read", "read", "read"])
	sees([permission("r", ["read"], {"secret": "write"})], {}, ["read", "read", "read"])
	sees([reads, permission("u", ["update"], {"secret": "write"})], {}, ["read", "write", "write"])
	sees([reads, permission("c", ["create"], {"secret": "write"})], {}, ["read", "write", "write"])
	sees([reads, permission("u", ["update"], {"notes": "read"})], {}, ["read", "read", "hidden"])
	sees([reads, permission("u", ["update"], {"notes": "read"}), permission("c", ["create"], {"notes": "write"})], {}, ["read", "write", "hidden"])
}

test_hidden_in_any_wins if {
	sees([permission("r", ["read"], {"name": "read"}), permission("s", ["read"], {"name": "hidden"})], {}, ["hidden", "read", "hidden"])
	sees([permission("r", ["read"], {"notes": "read"}), permission("u", ["update"], {"notes": "hidden"})], {}, ["read", "hidden", "hidden"])
}

test_policies_restrict if {
	everything := [permission("r", ["read", "update"], {"name": "write", "notes": "write", "secret": "write"})]
	sees(everything, {}, ["write", "write", "write"])
	sees(everything, {"restrict_fields": {{"field": "name"}, {"field": "notes", "to": "read"}}}, ["hidden", "read", "write"])
	sees(everything, {"deny": {1}}, ["hidden", "hidden", "hidden"])
	seen_of("vessel", graph(everything), {"deny": 1}) == {}
}

test_types_without_fields if {
	every type in ["port", "cargo", "api"] {
		seen_of(type, graph([reads]), {}) == {}
	}
}

test_a_definition_with_missing_members_is_left_out if {
	every part in ["tier", "default"] {
		odd := {"name": object.remove({"tier": "core", "default": "read"}, [part])}
		stored := object.union(object.remove(graph([reads]), ["fields"]), {"fields": {"vessel": odd}})
		seen_of("vessel", stored, {}) == {}
	}
}

test_what_cannot_be_evaluated_shows_no_fields if {
	seen_of("vessel", object.remove(graph([reads]), ["chains"]), {}) == {}
	seen_of("vessel", object.union(graph([reads]), {"tenant": {"is_active": false}}), {}).core.name == "hidden"
}

package sentinel.lib_test

import data.sentinel.lib

asked := {"user_id": "U1", "resource": {"type": "vessel", "id": "n1", "attributes": {"flag": "NO", "deep": {"b": 2}, "port": "oslo"}}, "action": "read", "action_properties": {"amount": 5}, "context": {"ip": "10.0.0.1"}}

graph := {
	"tenant": {"id": "t1", "code": "ACME", "name": "Acme", "time_zone": "UTC", "conflict": "deny_overrides"},
	"subjects": {
		"u1": {
			"email": "a@acme.example",
			"email_verified": true,
			"username": "ada",
			"attributes": {"level": 3},
			"assignments": [{"node": "group:g"}],
			"is_active": true,
			"requests": [],
		},
		"u2": {},
	},
	"edges": {"group:g": ["role:r2", "role:r1"], "role:r1": [], "role:r2": []},
	"roles": {"role:r1": {"name": "one"}, "role:r2": {"name": "two"}},
	"resources": {"n1": {"type": "vessel", "code": "x", "path": "/x", "attributes": {"flag": "GR", "deep": {"a": 1}}}},
	"resource_codes": {"vessel": {"x": "n1"}},
	"tree": {},
}

test_all_that_there_is if {
	lib == {
		"subject": {
			"id": "u1",
			"email": "a@acme.example",
			"username": "ada",
			"external_id": "",
			"is_service_account": false,
			"attributes": {"level": 3},
			"roles": ["one", "two"],
		},
		"resource": {"id": "x", "type": "vessel", "path": "/x", "attributes": {"flag": "GR", "deep": {"a": 1}, "port": "oslo"}},
		"action": {"name": "read", "properties": {"amount": 5}},
		"context": {"ip": "10.0.0.1", "time": "2026-03-02T09:00:00Z"},
		"tenant": {"id": "t1", "code": "ACME", "name": "Acme", "time_zone": "UTC"},
	} with input as asked
		with data.sentinel_graph as graph
		with time.now_ns as 1772442000000000000
}

test_an_instance_that_nobody_registered if {
	question := {"user_id": "u1", "resource": {"type": "vessel", "id": "y", "attributes": {"flag": "NO"}}, "action": "read"}
	lib.resource == {"id": "y", "type": "vessel", "path": "", "attributes": {"flag": "NO"}} with input as question with data.sentinel_graph as graph
}

test_missing_members_are_empty if {
	question := {"user_id": "u1", "resource": {"type": "vessel"}, "action": "read", "context": {"time": "2020-01-01T00:00:00Z"}}
	lib.resource == {"id": "", "type": "vessel", "path": "", "attributes": {}} with input as question with data.sentinel_graph as graph
	lib.action.properties == {} with input as question with data.sentinel_graph as graph
	lib.context == {"time": "2020-01-01T00:00:00Z"} with input as question with data.sentinel_graph as graph
	lib.subject.roles == [] with input as object.union(question, {"user_id": "u2"}) with data.sentinel_graph as graph
}

test_what_the_caller_says_of_the_subject if {
	supplied := {"subject_attributes": {"level": 9, "rank": "mate"}, "subject_overrides": {"team": "red"}}
	attributes := lib.subject.attributes with input as object.union(asked, supplied) with data.sentinel_graph as graph
	attributes == {"level": 3, "rank": "mate", "team": "red"}
}

test_the_caller_says_nothing_but_attributes if {
	supplied := {"subject_attributes": {"id": "u2", "roles": ["root"]}, "subject_overrides": {"email": "b@acme.example"}}
	subject := lib.subject with input as object.union(asked, supplied) with data.sentinel_graph as graph
	subject.id == "u1"
	subject.email == "a@acme.example"
	subject.roles == ["one", "two"]
}

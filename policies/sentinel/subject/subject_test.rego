package sentinel.subject_test

import data.sentinel.subject

graph(account) := {"subjects": {"u1": account}}

test_usable if {
	subject.usable with input as {"user_id": "u1"} with data.sentinel_graph as graph({"is_active": true, "locked_until_ns": null})
}

test_not_usable_when_inactive if {
	not subject.usable with input as {"user_id": "u1"} with data.sentinel_graph as graph({"is_active": false})
}

test_not_usable_when_locked if {
	account := {"is_active": true, "locked_until_ns": 100}
	not subject.usable with input as {"user_id": "u1"}
		with data.sentinel_graph as graph(account)
		with time.now_ns as 99
	subject.usable with input as {"user_id": "u1"}
		with data.sentinel_graph as graph(account)
		with time.now_ns as 100
}

test_not_usable_when_a_member_is_missing if {
	not subject.usable with input as {"user_id": "u1"} with data.sentinel_graph as graph({})
}

test_unknown if {
	not subject.account with input as {"user_id": "u2"} with data.sentinel_graph as graph({"is_active": true})
}

test_environment if {
	account := {"email": "ada@example.com", "email_verified": true, "username": "ada", "is_service_account": true, "attributes": {"level": 3}}
	subject.environment == {
		"id": "u1",
		"email": "ada@example.com",
		"username": "ada",
		"external_id": "",
		"is_service_account": true,
		"attributes": {"level": 3},
	} with input as {"user_id": "u1"}
		with data.sentinel_graph as graph(account)
}

test_environment_without_an_unverified_email if {
	account := {"email": "ada@example.com", "email_verified": false, "username": null}
	environment := subject.environment with input as {"user_id": "u1"} with data.sentinel_graph as graph(account)
	environment.email == ""
	environment.username == ""
	environment.attributes == {}
}

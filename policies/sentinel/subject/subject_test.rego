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
		"supplied": {},
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

asserted := {"user_id": "u1", "subject_attributes": {"level": 9, "rank": "mate", "deep": {"b": 2}}, "subject_overrides": {"team": "red", "shift": null}}

about(name) := value if {
	account := {"attributes": {"level": 3, "team": "blue", "deep": {"a": 1}}}
	value := data.sentinel.subject[name] with input as asserted with data.sentinel_graph as graph(account)
}

test_environment_with_the_word_of_the_caller if {
	about("environment").attributes == {"level": 3, "team": "red", "deep": {"a": 1}, "shift": null}
	about("environment").supplied == asserted.subject_attributes
}

test_known_attributes_are_merged_at_the_top if {
	about("known_attributes") == {"level": 3, "team": "red", "deep": {"a": 1}, "shift": null, "rank": "mate"}
}

test_own_environment_without_the_word_of_the_caller if {
	about("own_environment") == {
		"id": "u1",
		"email": "",
		"username": "",
		"external_id": "",
		"is_service_account": false,
		"attributes": {"level": 3, "team": "blue", "deep": {"a": 1}},
	}
}

test_an_account_without_attributes_has_those_of_the_caller if {
	attributes := subject.known_attributes with input as {"user_id": "u1", "subject_attributes": {"level": 9}, "subject_overrides": {"team": "red"}}
		with data.sentinel_graph as graph({})
	attributes == {"level": 9, "team": "red"}
}

test_the_word_of_the_caller_makes_no_account if {
	not subject.environment with input as object.union(asserted, {"user_id": "u2"}) with data.sentinel_graph as graph({})
	not subject.known_attributes with input as object.union(asserted, {"user_id": "u2"}) with data.sentinel_graph as graph({})
}

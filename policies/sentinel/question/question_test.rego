package sentinel.question_test

import data.sentinel.question

asked := {"user_id": "U1", "resource": {"type": "vessel", "id": "mv-atlas"}, "action": "read"}

test_well_formed if question.well_formed with input as asked

test_well_formed_about_a_type if question.well_formed with input as {"user_id": "u1", "resource": {"type": "vessel"}, "action": "create"}

test_not_well_formed if {
	every patch in [
		{"user_id": 1},
		{"action": "read all"},
		{"action": null},
		{"context": []},
		{"context": {"time": "now"}},
		{"context": {"time": 1}},
		{"context": {"time": "2026-13-01T00:00:00Z"}},
		{"context": {"time": "2026-01-01T00:00:00"}},
		{"context": {"time": "1500-01-01T00:00:00Z"}},
		{"action_properties": "x"},
		{"subject_attributes": "x"},
		{"subject_attributes": null},
		{"subject_overrides": ["x"]},
		{"subject_overrides": false},
		{"resource": {"type": "Vessel"}},
		{"resource": {"type": "vessel", "id": "a*"}},
		{"resource": {"type": "vessel", "id": "a/../b"}},
		{"resource": {"type": "vessel", "id": "a\\b"}},
		{"resource": {"type": "vessel", "id": "a\nb"}},
		{"resource": {"type": "vessel", "id": 7}},
		{"resource": {"type": "vessel", "attributes": []}},
	] {
		question_with := object.filter(asked, object.keys(asked) - object.keys(patch))
		not question.well_formed with input as object.union(question_with, patch)
	}
}

test_not_well_formed_with_a_missing_member if {
	every key in ["user_id", "resource", "action"] {
		not question.well_formed with input as object.remove(asked, [key])
	}
}

test_well_formed_with_words_of_the_subject if {
	supplied := {"subject_attributes": {"level": 3}, "subject_overrides": {"team": "red"}}
	question.well_formed with input as object.union(asked, supplied)
	question.subject_attributes == {"level": 3} with input as object.union(asked, supplied)
	question.subject_overrides == {"team": "red"} with input as object.union(asked, supplied)
}

test_no_words_of_the_subject if {
	question.subject_attributes == {} with input as asked
	question.subject_overrides == {} with input as asked
}

test_user_is_canonical if question.user == "u1" with input as asked

test_context_has_the_time_asked_with if {
	supplied := {"ip": "10.0.0.1", "time": "2026-01-01T00:00:00Z"}
	question.context == supplied with input as {"context": supplied}
	question.well_formed with input as object.union(asked, {"context": supplied})
}

test_context_time_defaults_to_now if {
	question.context == {"ip": "10.0.0.1", "time": "1970-01-01T00:00:01.5Z"} with input as {"context": {"ip": "10.0.0.1"}}
		with time.now_ns as 1500000000
	question.context == {"time": "1970-01-01T00:00:01Z"} with input as {}
		with time.now_ns as 1000000000
}

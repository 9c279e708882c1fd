# METADATA
# title: The question
# description: >
#   What is asked, checked. The caller's part of the trust rules (who may ask
#   about whom, and supply what) is enforced before a question comes here.
package sentinel.question

import data.sentinel.conditions

# well_formed holds for a question that every evaluator reads alike. Anything
# else is not evaluated.
default well_formed := false

well_formed if {
	every word in [input.user_id, input.resource.type, input.action] {
		is_string(word)
	}
	regex.match(`^[a-z][a-z0-9_]{0,99}$`, input.resource.type)
	regex.match(`^[A-Za-z][A-Za-z0-9_.:-]{0,99}$`, input.action)
	id_well_formed
	context_time_well_formed
	every map in [attributes, action_properties, supplied_context, subject_attributes, subject_overrides] {
		is_object(map)
	}
}

default id := ""

# id is the instance asked about, empty for a question about the type.
id := input.resource.id

id_well_formed if id == ""

id_well_formed if {
	is_string(id)
	count(id) <= 255
	not regex.match(`[*\\\p{Cc}]`, id)
	every segment in split(id, "/") {
		not segment in {".", ".."}
	}
}

context_time_well_formed if not names_time

context_time_well_formed if conditions.is_time(supplied_context.time)

# user is the subject's id in its canonical form.
user := lower(input.user_id)

default attributes := {}

# attributes are what the caller knows of the instance.
attributes := input.resource.attributes

default action_properties := {}

action_properties := input.action_properties

default subject_attributes := {}

# subject_attributes are what the caller knows of the subject, in gaps of what is
# stored; subject_overrides are those that replace what is stored.
subject_attributes := input.subject_attributes

default subject_overrides := {}

subject_overrides := input.subject_overrides

default supplied_context := {}

supplied_context := input.context

# context is the request's, whose time defaults to now.
context := supplied_context if names_time

context := object.union(supplied_context, {"time": now}) if not names_time

names_time if {
	is_object(supplied_context)
	"time" in object.keys(supplied_context)
}

now := time.format([time.now_ns(), "UTC", "2006-01-02T15:04:05.999999999Z07:00"])

# METADATA
# title: The subject
# description: Step 1. The subject is of the tenant, active and not locked.
package sentinel.subject

import data.sentinel.question

# account is the stored account; undefined when the tenant has no such user.
account := data.sentinel_graph.subjects[question.user]

default usable := false

usable if {
	account.is_active
	not locked
}

locked if account.locked_until_ns > time.now_ns()

# stored are the attributes of the account.
stored := object.get(account, "attributes", {})

# attributes are those with the ones replaced that the caller may replace.
attributes := object.union(
	object.remove(stored, object.keys(question.subject_overrides)),
	question.subject_overrides,
)

# known_attributes are those with what the caller supplied in their gaps.
known_attributes := object.union(
	object.remove(question.subject_attributes, object.keys(attributes)),
	attributes,
)

# identity is what nobody but Sentinel says of the subject.
identity := {
	"id": question.user,
	"email": email,
	"username": known("username"),
	"external_id": known("external_id"),
	"is_service_account": object.get(account, "is_service_account", false),
}

# environment is what conditions may read of the subject. What the caller supplied
# fills gaps in its attributes.
environment := object.union(identity, {"attributes": attributes, "supplied": question.subject_attributes})

# own_environment is environment without the caller's word.
own_environment := object.union(identity, {"attributes": stored})

default email := ""

# An address that nobody has confirmed is not there: it could be anybody's.
email := account.email if account.email_verified

default known(_) := ""

known(member) := account[member] if is_string(account[member])

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

# environment is what conditions may read of the subject.
environment := {
	"id": question.user,
	"email": email,
	"username": known("username"),
	"external_id": known("external_id"),
	"is_service_account": object.get(account, "is_service_account", false),
	"attributes": object.get(account, "attributes", {}),
}

default email := ""

# An address that nobody has confirmed is not there: it could be anybody's.
email := account.email if account.email_verified

default known(_) := ""

known(member) := account[member] if is_string(account[member])

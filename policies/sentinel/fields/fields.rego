# METADATA
# title: Fields
# description: >
#   Step 9. What the subject may do with each field of the resource's type. It
#   does not depend on the action asked about.
package sentinel.fields

import data.sentinel.outcome
import data.sentinel.resource

# METADATA
# title: The visibility of each field, by tier
# description: Empty for a type without fields, and if the question could not be evaluated.
visibilities[tier][name] := visibility(name, definition.default) if {
	resource.type != "api"
	outcome.code != "not_evaluated"
	some name, definition in data.sentinel_graph.fields[resource.type]
	tier := definition.tier
}

reading := about("read")

writing := [about("update"), about("create")]

about(action) := view if {
	view := outcome.visibility with input.action as action
}

# readers and writers are what the permissions say of fields, a list of objects.
readers := reading.named

writers := array.concat(writing[0].named, writing[1].named)

restrictions := (reading.restrictions | writing[0].restrictions) | writing[1].restrictions

visibility(name, _) := "hidden" if closed(name)

visibility(name, usual) := "write" if {
	not closed(name)
	writable(name, usual)
}

visibility(name, usual) := "read" if {
	not closed(name)
	not writable(name, usual)
	readable(name, usual)
}

visibility(name, usual) := "hidden" if {
	not closed(name)
	not writable(name, usual)
	not readable(name, usual)
}

closed(_) if not reading.allowed

closed(name) if "hidden" in said(array.concat(readers, writers), name)

closed(name) if [name, "hidden"] in restrictions

writable(name, usual) if {
	some action in writing
	action.allowed
	"write" in governing(writers, name, usual)
	not [name, "read"] in restrictions
}

readable(name, usual) if {
	some visibility in governing(readers, name, usual)
	visibility in {"read", "write"}
}

# governing is what permissions say of a field, or its default if none names it.
governing(permissions, name, _) := said(permissions, name) if count(said(permissions, name)) > 0

governing(permissions, name, usual) := {usual} if count(said(permissions, name)) == 0

said(permissions, name) := {fields[name] | some fields in permissions}

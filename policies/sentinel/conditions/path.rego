package sentinel.conditions

# lookup finds the value at a path: [value], or [] when there is none. A path
# that begins with no known root is an attribute of the resource.
lookup(key, env) := [value |
	[root, name] := members[key]
	value := env[root][name]
	value != ""
] if {
	members[key]
}

lookup(key, env) := either(
	dig(object.get(env, [root, "attributes"], {}), rest),
	dig(object.get(env, [root, "supplied"], {}), rest),
) if {
	not members[key]
	[root, rest] := attribute(key)
}

lookup(key, env) := dig(object.get(env, ["action", "properties"], {}), substring(key, 7, -1)) if {
	not members[key]
	startswith(key, "action.")
}

lookup(key, env) := dig(object.get(env, "context", {}), substring(key, 8, -1)) if startswith(key, "context.")

# members are the paths with one fixed meaning. An empty string there counts as
# missing.
members := {
	"action.name": ["action", "name"],
	"resource.id": ["resource", "id"],
	"resource.path": ["resource", "path"],
	"resource.type": ["resource", "type"],
	"subject.email": ["subject", "email"],
	"subject.external_id": ["subject", "external_id"],
	"subject.id": ["subject", "id"],
	"subject.is_service_account": ["subject", "is_service_account"],
	"subject.username": ["subject", "username"],
	"tenant.code": ["tenant", "code"],
	"tenant.id": ["tenant", "id"],
	"tenant.name": ["tenant", "name"],
	"tenant.time_zone": ["tenant", "time_zone"],
}

roots := {
	"attributes.": "resource",
	"resource.attributes.": "resource",
	"subject.attributes.": "subject",
	"user_attributes.": "subject",
}

# attribute splits a path into the root whose attribute it is, and the rest.
attribute(key) := [root, substring(key, count(prefix), -1)] if {
	some prefix, root in roots
	startswith(key, prefix)
}

attribute(key) := ["resource", key] if not startswith_any(key)

startswith_any(key) if {
	some word in {"action.", "attributes.", "context.", "resource.", "subject.", "tenant.", "user_attributes."}
	startswith(key, word)
}

# either is what is stored, or where nothing is, what was supplied.
either(stored, _) := stored if stored != []

either(stored, supplied) := supplied if stored == []

# dig looks a key up whole. Only if there is no such member it is split at its
# first dot and the rest looked up, whole first again, in the object found there.
dig(holder, key) := array.slice(hits, 0, 1) if {
	segments := split(key, ".")
	hits := [value |
		some i, _ in segments
		inner := object.get(holder, array.slice(segments, 0, i), null)
		is_object(inner)
		value := inner[concat(".", array.slice(segments, i, count(segments)))]
	]
}

# operand is the value of an argument: [value], or [] for a ref to nothing. A
# null that was looked up counts as nothing, unlike a literal one.
operand(argument, _) := [argument] if not is_object(argument)

operand(argument, env) := known(lookup(argument.ref, env)) if is_object(argument)

default known(_) := []

known(found) := found if not is_null(found[0])

# operands are the values of an argument that is a list or a ref to one. A ref
# to anything else has none, and the comparison is unknown.
operands(argument, env) := [operand(item, env) | some item in argument] if is_array(argument)

operands(argument, env) := [known([item]) | some item in list] if {
	is_object(argument)
	[list] := lookup(argument.ref, env)
	is_array(list)
}

# lone_operands is operands where a lone string serves as a list of one.
lone_operands(argument, env) := operands(argument, env)

lone_operands(argument, env) := [[value]] if {
	[value] := operand(argument, env)
	is_string(value)
}

# METADATA
# title: Conditions
# description: >
#   The condition language. evaluate(conditions, env) is 2 when the conditions
#   hold, 0 when they do not and 1 when that is unknown, so that "and" is the
#   least, "or" the greatest, and "not" 2 minus the value. A comparison that
#   nothing below decides is unknown.
package sentinel.conditions

default evaluate(_, _) := 1

evaluate(conditions, env) := level_1(conditions, env) if is_object(conditions)

evaluate(null, _) := 2

# member judges one member of a conditions object. nested are the values of the
# conditions objects inside it, for the combinators.
default member(_, _, _, _) := 1

member("all_of", _, nested, _) := least(nested)

member("any_of", _, nested, _) := greatest(nested)

member("not", _, nested, _) := 2 - nested[0]

member("time_range", value, _, env) := comparison("between", "context.time", value, env)

member(key, value, _, env) := least([comparison(operator, key, argument, env) |
	some [operator, argument] in comparisons(value)
]) if {
	not key in {"all_of", "any_of", "not", "time_range"}
}

# inside lists the conditions objects inside a member.
default inside(_, _) := []

inside("all_of", value) := value

inside("any_of", value) := value

inside("not", value) := [value]

# comparisons lists the operators and arguments that stand under an attribute.
comparisons(value) := [["in", value]] if is_array(value)

comparisons(value) := [["eq", value]] if {
	not is_array(value)
	not operators(value)
}

comparisons(value) := [[operator, argument] | some operator, argument in value] if operators(value)

operators(value) if {
	is_object(value)
	not value.ref
}

default comparison(_, _, _, _) := 1

comparison("exists", key, argument, env) := truth(present(lookup(key, env)) == argument)

comparison(operator, key, argument, env) := compare(operator, found[0], argument, env) if {
	operator != "exists"
	found := lookup(key, env)
}

default present(_) := false

present(found) if {
	found != []
	not is_null(found[0])
}

least(truths) := min(array.concat([2], truths))

greatest(truths) := max(array.concat([0], truths))

default truth(_) := 0

truth(true) := 2

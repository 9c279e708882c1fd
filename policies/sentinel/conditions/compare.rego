package sentinel.conditions

# compare judges a value that is there. What no rule decides is unknown.
default compare(_, _, _, _) := 1

compare("eq", value, argument, env) := same(value, operand(argument, env))

compare("ne", value, argument, env) := 2 - same(value, operand(argument, env))

compare("in", value, argument, env) := same_any(value, operands(argument, env))

compare("nin", value, argument, env) := 2 - same_any(value, operands(argument, env))

compare("gt", value, argument, env) := truth(pair[0] > pair[1]) if pair := ordered(value, operand(argument, env))

compare("gte", value, argument, env) := truth(pair[0] >= pair[1]) if pair := ordered(value, operand(argument, env))

compare("lt", value, argument, env) := truth(pair[0] < pair[1]) if pair := ordered(value, operand(argument, env))

compare("lte", value, argument, env) := truth(pair[0] <= pair[1]) if pair := ordered(value, operand(argument, env))

compare("between", value, argument, env) := between(value, operand(argument[0], env), operand(argument[1], env), env)

compare("weekday", value, argument, env) := greatest([same_day(day, item) | some item in items]) if {
	day := weekday(value, env)
	items := lone_operands(argument, env)
}

compare("prefix", value, argument, env) := truth(startswith(value, part)) if part := part_of(value, argument, env)

compare("suffix", value, argument, env) := truth(endswith(value, part)) if part := part_of(value, argument, env)

compare("contains", value, argument, env) := has(value, operand(argument, env))

compare("contains_all", value, argument, env) := least([has(value, item) | some item in items]) if {
	is_array(value)
	items := operands(argument, env)
}

compare("contains_any", value, argument, env) := greatest([has(value, item) | some item in items]) if {
	is_array(value)
	items := operands(argument, env)
}

compare("matches", value, argument, _) := truth(regex.match(argument, value)) if is_string(value)

compare("cidr", value, argument, env) := greatest([within(value, item) | some item in items]) if {
	is_ip(value)
	items := lone_operands(argument, env)
}

# same compares scalars of the same kind. A literal null asks whether the value
# is null, which every value answers.
default same(_, _) := 1

same(value, [other]) := truth(value == other) if comparable(value, other)

same(value, [null]) := truth(is_null(value))

comparable(value, other) if {
	type_name(value) == type_name(other)
	type_name(value) in {"boolean", "string"}
}

comparable(value, other) if {
	exact(value)
	exact(other)
}

# exact holds for numbers that every evaluator compares exactly.
exact(value) if {
	is_number(value)
	value == 0
}

exact(value) if {
	is_number(value)
	value >= 1e-300
	value < 1e300
}

exact(value) if {
	is_number(value)
	value <= -1e-300
	value > -1e300
}

same_any(value, items) := greatest([same(value, item) | some item in items])

# ordered is the pair to compare: two numbers, or two times in nanoseconds.
ordered(value, [other]) := [value, other] if {
	exact(value)
	exact(other)
}

ordered(value, [other]) := [nanoseconds(value), nanoseconds(other)]

# part_of is the string that the prefix or suffix of a string is compared with.
part_of(value, argument, env) := part if {
	is_string(value)
	[part] := operand(argument, env)
	is_string(part)
}

default has(_, _) := 1

has(value, [part]) := truth(contains(value, part)) if {
	is_string(value)
	is_string(part)
}

has(value, item) := greatest([same(member, item) | some member in value]) if is_array(value)

is_ip(value) if {
	is_string(value)
	net.cidr_is_valid(concat("/", [value, "32"]))
}

default within(_, _) := 1

within(value, [block]) := truth(net.cidr_contains(block, value)) if {
	is_string(block)
	net.cidr_is_valid(block)
}

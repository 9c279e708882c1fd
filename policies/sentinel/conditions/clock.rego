package sentinel.conditions

# Times are RFC 3339 in the years 1678 to 2261, whose nanoseconds fit 64 bits.
# The expression leaves nothing to time.parse_rfc3339_ns that could fail.
rfc3339 := concat("", [
	`^(`,
	`(167[89]|16[89]\d|1[7-9]\d\d|2[01]\d\d|22[0-5]\d|226[01])`,
	`-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))`,
	`|`,
	`(16(8[048]|9[26])|1[789](0[48]|[2468][048]|[13579][26])|2[012](0[48]|[2468][048]|[13579][26])|2000)-02-29`,
	`)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`,
])

# nanoseconds since 1970 of a time; undefined for anything else.
nanoseconds(value) := time.parse_rfc3339_ns(value) if is_time(value)

is_time(value) if {
	is_string(value)
	value < "2262"
	regex.match(rfc3339, value)
}

# zone is the tenant's time zone.
default zone(_) := "UTC"

zone(env) := env.tenant.time_zone if env.tenant.time_zone != ""

weekday(value, env) := lower(substring(time.weekday([nanoseconds(value), zone(env)]), 0, 3))

default same_day(_, _) := 1

same_day(day, [name]) := truth(day == name) if name in {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

# between judges numbers and times by order, and a time against clock times by
# its hour and minute in the tenant's time zone, past midnight when the first
# lies after the second.
default between(_, _, _, _) := 1

between(value, low, high, _) := least([truth(lower[1] <= lower[0]), truth(upper[0] <= upper[1])]) if {
	lower := ordered(value, low)
	upper := ordered(value, high)
}

between(value, [from], [to], env) := truth(in_turn(from, clock(value, env), to)) if {
	is_clock(from)
	is_clock(to)
	clock(value, env)
}

in_turn(from, at, to) := {from <= at, at <= to} == {true} if from <= to

in_turn(from, at, to) := true in {from <= at, at <= to} if from > to

is_clock(value) if {
	is_string(value)
	regex.match(`^([01]\d|2[0-3]):[0-5]\d$`, value)
}

# clock is the hour and minute of a time as HH:MM.
clock(value, env) := sprintf("%02d:%02d", [hour, minute]) if {
	[hour, minute, _] := time.clock([nanoseconds(value), zone(env)])
}

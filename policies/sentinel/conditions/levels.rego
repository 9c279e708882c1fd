package sentinel.conditions

# Rego has no recursion, so each level of nesting is a rule of its own. Deeper
# conditions are refused when they are written; here they are unknown.

level_1(conditions, env) := least([member(key, value, [level_2(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_2(conditions, env) := least([member(key, value, [level_3(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_3(conditions, env) := least([member(key, value, [level_4(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_4(conditions, env) := least([member(key, value, [level_5(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_5(conditions, env) := least([member(key, value, [level_6(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_6(conditions, env) := least([member(key, value, [level_7(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_7(conditions, env) := least([member(key, value, [level_8(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_8(conditions, env) := least([member(key, value, [level_9(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_9(conditions, env) := least([member(key, value, [level_10(nested, env) | some nested in inside(key, value)], env) |
	some key, value in conditions
])

level_10(conditions, env) := least([member(key, value, [1 | some _ in inside(key, value)], env) |
	some key, value in conditions
])

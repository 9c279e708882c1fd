# METADATA
# title: Judging
# description: >
#   Asks modules about several actions at once. The server resolved what
#   policies may read, so here it takes the place of data.sentinel.lib. Compiled
#   into the server only: whoever may ask an agent must not say what is resolved.
package sentinel.judge

import data.sentinel.modules

said[action] := answers if {
	some action, asked in input.asked
	answers := [answer |
		some module in asked.modules
		answer := modules.said(module.root, module.name, module.rules)
	] with input as asked.question with data.sentinel.lib as asked.lib
}

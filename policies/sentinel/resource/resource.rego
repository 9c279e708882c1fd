# METADATA
# title: The resource
# description: >
#   The registered node that a question names, if any, and the nodes whose
#   permissions flow to it. A registered node goes by its code: patterns and
#   conditions see the code as the id, however the question named it.
package sentinel.resource

import data.sentinel.question

type := input.resource.type

graph_nodes := data.sentinel_graph.resources

codes := data.sentinel_graph.resource_codes

# node_id is the id of the registered node; undefined for an instance that only
# the application knows. The sections of the API are never nodes.
node_id := codes[type][question.id] if type != "api"

node_id := lower(question.id) if {
	type != "api"
	not codes[type][question.id]
	graph_nodes[lower(question.id)].type == type
}

node := graph_nodes[node_id]

default id := ""

# id is empty for a question about the type.
id := node.code

id := question.id if not node

# entity_id is the id of the entity node of the type, which stands for instances
# that are not registered and for the type as a whole; undefined for a node.
entity_id := codes.entity[type] if {
	type != "api"
	not node_id
}

# start is where permissions flow from: the node, or else the entity node.
start := node_id

start := entity_id

default flows := set()

# flows are the nodes whose permissions reach the instance: start and its
# ancestors. The keys of data.sentinel_graph.tree are the active nodes, so an
# inactive one cuts off itself and what lies above.
flows := graph.reachable(data.sentinel_graph.tree, {start})

default path := ""

path := node.path

default stored := {}

stored := node.attributes

# environment is what conditions may read of the resource. What the caller
# supplied fills gaps in what is stored.
environment := {
	"id": id,
	"type": type,
	"path": path,
	"attributes": stored,
	"supplied": question.attributes,
}

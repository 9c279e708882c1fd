package app_test

import (
	"testing"
)

func answerExamples() map[string]example {
	return map[string]example{
		"GET /field-permissions": {
			path: "/field-permissions?entity_type=vessel&entity_id=mv-aurora", free: true,
			foreign: []call{{"/field-permissions?user_id=$plain_b&entity_type=vessel", ""}},
		},
	}
}

// answerScenarios are of what an answer says beside yes or no. A vessel has the
// fields that [world.fields] defines.
func answerScenarios() []scenario {
	const (
		check  = "POST /permissions/check"
		batch  = "POST /permissions/batch-check"
		fields = "GET /field-permissions"
		denied = "PERMISSION_DENIED"
	)
	const question = `"resource":{"type":"vessel","id":"mv-aurora"},"action":"read"`
	return []scenario{
		{name: "own fields", as: "plain", route: fields, path: "/field-permissions?entity_type=vessel", status: 200, want: map[string]any{
			"data.allowed": false, "data.reason_code": "no_matching_permission", "data.entity_type": "vessel", "data.entity_id": nil,
		}},
		{name: "another's fields without the right", as: "plain", route: fields, path: "/field-permissions?user_id=$admin&entity_type=vessel", status: 403, code: denied, want: map[string]any{
			"error.details.required_permission": "api/decisions:execute",
		}},
		{name: "fields of nobody", as: "admin", route: fields, path: "/field-permissions?user_id=$absent&entity_type=vessel", status: 404},
		{name: "fields of nothing", as: "admin", route: fields, path: "/field-permissions", status: 400, fields: []string{"query.entity_type"}},
		{name: "fields in a strange way", as: "admin", route: fields, path: "/field-permissions?entity_type=Vessel&entity_id=a%5Cb&fields=a,b%20c", status: 400, fields: []string{"query.entity_type", "query.entity_id", "query.fields"}},
		{name: "a justification in a batch", as: "plain", route: batch, body: `{"checks":[{` + question + `,"justification":"x"}]}`, status: 400, fields: []string{"checks[0].justification"}},
		{name: "an empty justification", as: "plain", route: check, body: `{` + question + `,"justification":""}`, status: 400, fields: []string{"justification"}},
		{name: "a justification for another", as: "admin", route: check, body: `{"user_id":"$plain",` + question + `,"justification":"x"}`, status: 403, code: denied},
		{name: "a justification without need", as: "plain", route: check, body: `{` + question + `,"justification":"x"}`, status: 200, want: map[string]any{
			"data.reason_code": "no_matching_permission", "data.requires_approval": false, "data.approval_request_id": nil,
		}},
	}
}

func TestScenarios_Answers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fields()
	w.play(t, answerScenarios())
}

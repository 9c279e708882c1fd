package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// allScenarios are the rows of every section.
func allScenarios() []scenario {
	return slices.Concat(
		sessionScenarios(),
		tenantScenarios(),
		serviceAccountScenarios(),
		userScenarios(),
		userWriteScenarios(),
		roleScenarios(),
		groupScenarios(),
		permissionScenarios(),
		resourceScenarios(),
		decisionScenarios(),
		simulateScenarios(),
		assertScenarios(),
		answerScenarios(),
		filterScenarios(),
		authzenScenarios(),
		searchScenarios(),
		explainScenarios(),
		edgeScenarios(),
		credentialScenarios(),
		personalScenarios(),
		fieldScenarios(),
		chainScenarios(),
		navigationScenarios(),
		directoryScenarios(),
		manifestScenarios(),
		importScenarios(),
		requestScenarios(),
		bundleScenarios(),
		cancelScenarios(),
		resumeScenarios(),
		webhookScenarios(),
		deliveryScenarios(),
		redeliveryScenarios(),
	)
}

func routeName(r httpapi.Route) string {
	if r.Root {
		return r.Method + " /" + r.Path
	}
	return r.Method + " " + r.Path
}

// TestRoutes_AreDeclaredAndTested walks every route of the server.
func TestRoutes_AreDeclaredAndTested(t *testing.T) {
	t.Parallel()
	w := startWorld(t, newDatabase(t))
	// Public routes, each with the reason why nobody has to say who they are.
	public := map[string]string{
		"POST /auth/login":                        "one logs in without a token",
		"POST /auth/refresh":                      "the refresh token says who calls",
		"POST /auth/service-account/token":        "the key says who calls",
		"GET //.well-known/jwks.json":             "public keys are public",
		"GET //health":                            "probes have no account",
		"GET //health/live":                       "probes have no account",
		"GET //health/ready":                      "probes have no account",
		"POST /auth/password/forgot":              "whoever forgot a password cannot log in",
		"POST /auth/password/reset":               "the token is the proof",
		"POST /auth/email/confirm":                "the token is the proof, opened perhaps on another device",
		"GET //.well-known/authzen-configuration": "who asks for it does not know yet where to log in",
		"GET //dev/mail":                          "only on a server for development, to its own machine",
	}
	// Writes that widen nobody's access, each with the reason.
	harmless := map[string]string{
		"POST /auth/password/forgot": "a mail to the account's own address",
		"POST /auth/password/reset":  "the credentials of an account that proved who it is",
		"POST /auth/email/confirm":   "an address that its owner proved to have",
		"POST /auth/mfa/totp":        "the own second factor, which only restrains",
		"POST /auth/mfa/totp/verify": "likewise",
		"DELETE /auth/mfa/totp":      "the own second factor, with both factors as proof",

		"PUT /tenants/{id}/terminology":                          "labels, which nothing decides by",
		"POST /service-accounts/me/rotate-credentials":           "a key for one that the caller proves to have",
		"POST /service-accounts/{id}/validate":                   "a question",
		"POST /auth/refresh":                                     "the session goes on as it is",
		"POST /auth/service-account/token":                       "a token of an account that proved who it is",
		"POST /auth/logout":                                      "it ends a session",
		"POST /auth/revoke":                                      "it ends a token",
		"POST /auth/introspect":                                  "a question",
		"DELETE /auth/sessions":                                  "it ends sessions",
		"DELETE /auth/sessions/{id}":                             "it ends a session",
		"POST /auth/login":                                       "a session of an account that proved who it is",
		"PATCH /users/me":                                        "one's own name to show, preferences, and what proves who one is",
		"POST /users/{id}/change-password":                       "one's own, with the current one",
		"POST /permissions/check":                                "a question; with a justification, a request that others decide on",
		"POST /manifest/plan":                                    "a question",
		"POST /access-requests":                                  "it asks others",
		"POST /access-requests/{id}/approve":                     "it grants what its chain was written to grant: the writing is judged",
		"POST /access-requests/{id}/deny":                        "it ends a request",
		"POST /access-requests/{id}/escalate":                    "it asks others, as the chain says",
		"POST /access-requests/{id}/cancel":                      "it ends a request",
		"POST /access-requests/{id}/revoke":                      "it ends what was granted",
		"POST /access-requests/delegations":                      "it lends the own word, and makes one person of two",
		"DELETE /access-requests/delegations/{id}":               "it ends a loan; requests made during it remember",
		"POST /imports/{id}/cancel":                              "it ends an import",
		"POST /imports/{id}/resume":                              "an import goes on with the rights of whoever sent it",
		"POST /permissions/batch-check":                          "a question",
		"POST /permissions/filter":                               "a question",
		"POST /permissions/explain":                              "a question",
		"POST /permissions/simulate-change":                      "a question: the change is not made",
		"POST /permissions/who-can":                              "a question",
		"POST /permissions/what-can":                             "a question",
		"POST //access/v1/evaluation":                            "a question",
		"POST //access/v1/evaluations":                           "a question",
		"POST //access/v1/search/subject":                        "a question",
		"POST //access/v1/search/resource":                       "a question",
		"POST //access/v1/search/action":                         "a question",
		"POST /field-definitions/validate":                       "a question",
		"POST /navigation/customize":                             "what the own menu shows, which decides nothing",
		"DELETE /navigation/customizations/{item_id}":            "likewise",
		"POST /navigation/menu-items":                            "a menu shows what is granted elsewhere",
		"PATCH /navigation/menu-items/{id}":                      "likewise",
		"DELETE /navigation/menu-items/{id}":                     "likewise",
		"POST /webhooks":                                         "ids of what happened go to an address, by which nothing decides",
		"PATCH /webhooks/{id}":                                   "likewise",
		"DELETE /webhooks/{id}":                                  "it ends a webhook",
		"POST /webhooks/{id}/rotate-secret":                      "what is sent is signed anew",
		"POST /webhooks/{id}/test":                               "an event that says nothing",
		"POST /webhooks/{id}/deliveries/{delivery_id}/redeliver": "an event is told again",
	}
	succeeds := map[string]bool{}
	for _, s := range allScenarios() {
		if s.status < 300 {
			succeeds[s.route] = true
		}
	}
	seen := map[string]bool{}
	for _, route := range w.app.Routes() {
		name := routeName(route)
		seen[name] = true
		require.NotEmpty(t, route.Summary, name)
		require.NotEmpty(t, route.Tag, name)
		require.False(t, strings.HasSuffix(route.Summary, "."), "%s: a summary is a heading", name)
		_, permission := route.Access.Permission()
		switch {
		case route.Access.IsPublic():
			require.Contains(t, public, name, "a public route must be on the list, with its reason")
		case !permission:
			require.NotEmpty(t, route.Access.Reason(), "%s has neither a permission nor a reason", name)
		}
		if route.Method != http.MethodGet && harmless[name] == "" {
			require.True(t, route.Granting, "%s writes: it declares Granting, or is on the list with its reason", name)
		}
		if route.Method == http.MethodGet {
			require.False(t, route.Granting, "%s reads", name)
		}
		e, ok := examples()[name]
		require.True(t, ok, "%s has no example: add it to examples()", name)
		require.Equal(t, route.Access.IsPublic(), e.open, name)
		require.Equal(t, !permission && !route.Access.IsPublic(), e.free, name)
		require.True(t, succeeds[name], "%s has no scenario in which it succeeds", name)
	}
	for name := range examples() {
		require.True(t, seen[name], "%s has an example and is no route", name)
	}
	for _, s := range allScenarios() {
		require.True(t, seen[s.route], "scenario %q is of %s, which is no route", s.name, s.route)
	}
}

package engine_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
)

func TestSurvey_AnswersAsDecideAllDoesAndLeavesNoRecord(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{})
	decisions := audit.NewDecisions(audit.DecisionsConfig{DB: w.DB})
	e := engine.New(engine.Config{DB: w.DB, Decisions: decisions})
	for _, user := range []uuid.UUID{w.ada, w.bob, uuid.New()} {
		var questions []*engine.Question
		for _, action := range []string{"read", "update", "delete"} {
			questions = append(questions, &engine.Question{TenantID: w.tenant, UserID: user, Type: "vessel", ID: "one", Action: action})
		}
		surveyed, decided := e.Survey(t.Context(), questions), e.DecideAll(t.Context(), questions)
		require.Len(t, surveyed, len(decided))
		for i, d := range decided {
			require.Equal(t, []any{d.Allowed, d.Code, d.Revision, d.MatchedIDs()},
				[]any{surveyed[i].Allowed, surveyed[i].Code, surveyed[i].Revision, surveyed[i].MatchedIDs()})
		}
	}
	nowhere := e.Survey(t.Context(), []*engine.Question{{TenantID: uuid.New(), UserID: w.ada, Type: "vessel", Action: "read"}})
	require.Equal(t, engine.SubjectUnknown, nowhere[0].Code)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, decisions.Run(ctx))
	require.Equal(t, 9, w.Count("SELECT count(*) FROM sentinel.decision_logs"))
}

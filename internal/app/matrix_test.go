package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

// TestMatrix asks every question of the decision matrix over HTTP, one by one
// and by the batch.
func TestMatrix(t *testing.T) {
	t.Parallel()
	hash, err := crypto.NewPasswords().Hash(t.Context(), enginetest.Password)
	require.NoError(t, err)
	for _, f := range enginetest.Load(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			f.World.Write(t, d.DB, hash)
			s := startMatrix(t, d.URL, f)
			verdicts := enginetest.Run(t, f, enginetest.Rego(t, d.DB, f), &httpSingle{s}, &httpBatch{s, map[batchKey][]answered{}})
			s.stop(t)
			s.checkRecords(t, d, verdicts)
		})
	}
}

// checkRecords fails unless the record of every answer says what was answered.
// The server has stopped: it writes what is queued before it ends.
func (s *matrixServer) checkRecords(t *testing.T, d *dbtest.Database, verdicts map[*enginetest.Case]*enginetest.Verdict) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	rows, err := conn.Query(t.Context(), `SELECT id::text, tenant_id, subject_id, allowed, reason_code, question, answer FROM sentinel.decision_logs`)
	require.NoError(t, err)
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[enginetest.Record])
	require.NoError(t, err)
	byID := make(map[string]*enginetest.Record, len(records))
	for i := range records {
		byID[records[i].ID] = &records[i]
	}
	for id, c := range s.asked {
		require.Contains(t, byID, id, "no record of the answer to %q", c.Name)
		c.CheckRecord(t, verdicts[c], byID[id])
	}
}

// matrixServer is a running server with the sessions of those who ask.
type matrixServer struct {
	url    string
	file   *enginetest.File
	clock  *enginetest.Clock
	client *http.Client
	tokens map[sessionKey]string
	// asked are the cases by the ids of the decisions that answered them.
	asked map[string]*enginetest.Case
	// stop ends the server; it may be called twice.
	stop func(testing.TB)
}

// sessionKey says whose token it is. A token does not outlive half an hour, so
// every moment has its own.
type sessionKey struct {
	tenant string
	now    time.Time
}

const matrixAdmin = "admin@matrix.example"

func startMatrix(t *testing.T, databaseURL string, f *enginetest.File) *matrixServer {
	t.Helper()
	s := &matrixServer{
		file: f, clock: &enginetest.Clock{}, client: &http.Client{Timeout: time.Minute}, tokens: map[sessionKey]string{},
		asked: map[string]*enginetest.Case{},
	}
	cfg, err := ParseConfig(map[string]string{
		"HTTP_ADDR": "127.0.0.1:0", "DATABASE_URL": databaseURL, "MASTER_KEY": strings.Repeat("ab", 32),
		"ADMIN_EMAIL": matrixAdmin, "ADMIN_PASSWORD": enginetest.Password, "DATABASE_MAX_CONNECTIONS": "8", "DATA_DIR": t.TempDir(),
		"AUTO_APPROVE_ENABLED": strconv.FormatBool(!f.World.NoAutoApprove), "POLICY_EVAL_TIMEOUT_MS": "10000",
	})
	require.NoError(t, err)
	cfg.MetricsAddr, cfg.Clock = "", s.clock.Now
	a, err := New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- a.Run(ctx, func(addr string) { ready <- addr }) }()
	var once sync.Once
	s.stop = func(t testing.TB) {
		once.Do(func() {
			s.client.CloseIdleConnections()
			cancel()
			require.NoError(t, <-ended)
			require.NoError(t, a.Close())
		})
	}
	t.Cleanup(func() { s.stop(t) })
	select {
	case addr := <-ready:
		s.url = "http://" + addr + "/api/v1"
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
	}
	return s
}

// post sends body and decodes the answer. header are pairs.
func (s *matrixServer) post(t testing.TB, path string, body, out any, header ...string) int {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, bytes.NewReader(raw))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	if res.StatusCode == http.StatusOK {
		require.NoError(t, json.NewDecoder(res.Body).Decode(&struct {
			Data any `json:"data"`
		}{out}))
	}
	return res.StatusCode
}

// asker are the headers of one who may ask about others in the case's tenant: a
// user of it, or of the platform where nobody can log in.
func (s *matrixServer) asker(t testing.TB, c *enginetest.Case) []string {
	t.Helper()
	s.clock.Set(c.Now)
	tenant, email := c.Tenant, enginetest.Asker+"@"+c.Tenant+".example"
	if s.file.World.Closed(c.Tenant) {
		tenant, email = "platform", matrixAdmin
	}
	key := sessionKey{tenant, c.Now}
	if s.tokens[key] == "" {
		var login struct {
			AccessToken string `json:"access_token"`
		}
		body := map[string]string{"tenant_id": strings.ToUpper(tenant), "email": email, "password": enginetest.Password}
		require.Equal(t, http.StatusOK, s.post(t, "/auth/login", body, &login))
		s.tokens[key] = login.AccessToken
	}
	header := []string{"Authorization", "Bearer " + s.tokens[key]}
	if tenant == "platform" {
		header = append(header, "X-Tenant-ID", c.TenantID().String())
	}
	return header
}

// check is a case as the API takes it.
func check(c *enginetest.Case) map[string]any {
	resource := map[string]any{"type": c.Resource.Type}
	if c.Resource.ID != "" {
		resource["id"] = c.Resource.ID
	}
	if c.Resource.Attributes != nil {
		resource["attributes"] = c.Resource.Attributes
	}
	out := map[string]any{"resource": resource, "action": c.Action}
	if c.ActionProperties != nil {
		out["action_properties"] = c.ActionProperties
	}
	if c.Context != nil {
		out["context"] = c.Context
	}
	if c.SubjectAttributes != nil || c.SubjectOverrides != nil {
		said := map[string]any{}
		maps.Copy(said, c.SubjectAttributes)
		maps.Copy(said, c.SubjectOverrides)
		out["subject_attributes"] = said
	}
	return out
}

// answered is an answer of the API.
type answered struct {
	DecisionID         string   `json:"decision_id"`
	Allowed            bool     `json:"allowed"`
	ReasonCode         string   `json:"reason_code"`
	Reason             string   `json:"reason"`
	MatchedPermissions []string `json:"matched_permissions"`
	MatchedRoles       []struct {
		Name string `json:"name"`
		Path string `json:"path"`
	} `json:"matched_roles"`
	FieldPermissions  map[string]map[string]string `json:"field_permissions"`
	RequiresApproval  bool                         `json:"requires_approval"`
	ApprovalChainID   string                       `json:"approval_chain_id"`
	ApprovalRequestID string                       `json:"approval_request_id"`
	ApprovalLevels    json.RawMessage              `json:"approval_levels"`
	Obligations       []json.RawMessage            `json:"obligations"`
}

// verdict is what was answered to a case; its record is looked at in the end.
func (s *matrixServer) verdict(t testing.TB, a *answered, c *enginetest.Case) *enginetest.Verdict {
	t.Helper()
	require.NotContains(t, s.asked, a.DecisionID)
	s.asked[a.DecisionID] = c
	require.Equal(t, a.ReasonCode == "approval_required", a.RequiresApproval)
	v := &enginetest.Verdict{
		Allowed: a.Allowed, Code: a.ReasonCode, Reason: a.Reason, Permissions: a.MatchedPermissions, Paths: []string{},
		Obligations: enginetest.Objects(a.Obligations), Chain: a.ApprovalChainID, Request: a.ApprovalRequestID,
		Levels: enginetest.Canonical(a.ApprovalLevels), Fields: a.FieldPermissions,
	}
	if v.Fields == nil { // as of a type without fields
		v.Fields = map[string]map[string]string{}
	}
	for _, r := range a.MatchedRoles {
		v.Roles, v.Paths = append(v.Roles, r.Name), append(v.Paths, r.Path)
	}
	v.Roles = slices.Compact(v.Roles)
	return v
}

// refused fails unless the status is the one with which the case is refused.
func refused(status int, c *enginetest.Case) error {
	if status != c.HTTP {
		return fmt.Errorf("status %d", status)
	}
	return enginetest.ErrRefused
}

type httpSingle struct{ *matrixServer }

func (*httpSingle) Name() string { return "http, check" }

func (s *httpSingle) Decide(t testing.TB, c *enginetest.Case) (*enginetest.Verdict, error) {
	body := check(c)
	body["user_id"] = c.UserID()
	var out answered
	if status := s.post(t, "/permissions/check", body, &out, s.asker(t, c)...); status != http.StatusOK || c.HTTP != 0 {
		return nil, refused(status, c)
	}
	return s.verdict(t, &out, c), nil
}

// batchKey tells the questions apart that cannot be asked in one batch.
type batchKey struct {
	tenant, user uuid.UUID
	now          time.Time
}

// httpBatch asks all questions about a subject at once, when the first of them
// comes.
type httpBatch struct {
	*matrixServer
	answers map[batchKey][]answered
}

func (*httpBatch) Name() string { return "http, batch-check" }

func (s *httpBatch) Decide(t testing.TB, c *enginetest.Case) (*enginetest.Verdict, error) {
	key := batchKey{c.TenantID(), c.UserID(), c.Now}
	var together []*enginetest.Case
	for _, other := range s.file.Cases {
		if c.HTTP == 0 && other.HTTP == 0 && key == (batchKey{other.TenantID(), other.UserID(), other.Now}) {
			together = append(together, other)
		}
	}
	if c.HTTP != 0 {
		together = append(together, c)
	}
	if c.HTTP != 0 || s.answers[key] == nil {
		var out struct {
			Results []answered `json:"results"`
		}
		checks := make([]map[string]any, len(together))
		for i, each := range together {
			checks[i] = check(each)
		}
		body := map[string]any{"user_id": c.UserID(), "checks": checks}
		if status := s.post(t, "/permissions/batch-check", body, &out, s.asker(t, c)...); status != http.StatusOK || c.HTTP != 0 {
			return nil, refused(status, c)
		}
		require.Len(t, out.Results, len(together))
		s.answers[key] = out.Results
	}
	return s.verdict(t, &s.answers[key][slices.Index(together, c)], c), nil
}

func TestMatrix_RefusesWhoeverMayNotAskAboutOthers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	f := enginetest.Load(t)[0]
	hash, err := crypto.NewPasswords().Hash(t.Context(), enginetest.Password)
	require.NoError(t, err)
	f.World.Write(t, d.DB, hash)
	d.Exec(t, "DELETE FROM sentinel.user_roles WHERE tenant_id <> $1", identity.PlatformTenant)
	s := startMatrix(t, d.URL, f)
	c := f.Cases[0]
	body := check(c)
	body["user_id"] = c.UserID()
	require.Equal(t, http.StatusForbidden, s.post(t, "/permissions/check", body, nil, s.asker(t, c)...))
	require.Equal(t, http.StatusUnauthorized, s.post(t, "/permissions/check", body, nil))
}

package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app/workload"
)

// generate makes the data set of a size, or skips the test where there is no
// generator: its folder is BENCH_DIR, or beside this repository's.
func generate(t testing.TB, size string) (tenants []workload.Tenant, checks []workload.Check) {
	t.Helper()
	source := os.Getenv("BENCH_DIR")
	if source == "" {
		source = filepath.Join("..", "..", "..", "shared", "bench")
	}
	if _, err := os.Stat(filepath.Join(source, "workload")); err != nil {
		t.Skip("the generator of the data set is not there")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./workload/cmd/genworkload", "-size", size, "-seed", "1", "-out", dir)
	cmd.Dir = source
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	data, err := os.Open(filepath.Join(dir, "data.json"))
	require.NoError(t, err)
	defer func() { require.NoError(t, data.Close()) }()
	tenants, err = workload.Read(data)
	require.NoError(t, err)
	lines, err := os.Open(filepath.Join(dir, "checks.jsonl"))
	require.NoError(t, err)
	defer func() { require.NoError(t, lines.Close()) }()
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		var c workload.Check
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &c))
		checks = append(checks, c)
	}
	require.NotEmpty(t, checks)
	return tenants, checks
}

// load makes a tenant of the data set and imports all of it.
func (w *world) load(tenant *workload.Tenant) string {
	w.t.Helper()
	code := tenant.Code()
	answer := w.do(request{as: "operator", method: http.MethodPost, path: "/tenants", body: jsonOf(map[string]any{"name": code, "code": code})})
	require.Equal(w.t, http.StatusCreated, answer.status, "%s", answer.body)
	id := answer.at("data.id").(string)
	w.ids["bench_"+tenant.ID] = id
	file, err := tenant.File()
	require.NoError(w.t, err)
	answer = w.do(request{
		as: "operator", method: http.MethodPost, path: "/imports", body: string(file), header: map[string]string{"Content-Type": jsonLines, "X-Tenant-ID": id},
	})
	require.Equal(w.t, http.StatusAccepted, answer.status, "%s", answer.body)
	return answer.at("data.id").(string)
}

// loadAll imports tenants and waits for the end.
func (w *world) loadAll(tenants []workload.Tenant) {
	w.t.Helper()
	for i := range tenants {
		w.load(&tenants[i])
	}
	require.Eventually(w.t, func() bool {
		return len(w.column(w.t, "SELECT id::text FROM sentinel.imports WHERE status IN ('pending', 'running')")) == 0
	}, 5*time.Minute, 20*time.Millisecond)
	require.Empty(w.t, w.column(w.t, "SELECT status || ' ' || error || ' ' || refused_rows FROM sentinel.imports WHERE status <> 'done' OR refused_rows > 0"))
}

func TestWorkload_IsImportedAndAnswersAsExpected(t *testing.T) {
	t.Parallel()
	tenants, checks := generate(t, "S")
	w := startWorld(t, newDatabase(t))
	w.loadAll(tenants)
	byUser := map[[2]string][]workload.Check{}
	for _, c := range checks {
		byUser[[2]string{c.Tenant, c.User}] = append(byUser[[2]string{c.Tenant, c.User}], c)
	}
	asked := 0
	for who, questions := range byUser {
		tenant := w.ids["bench_"+who[0]]
		user := w.column(t, "SELECT id::text FROM sentinel.users WHERE tenant_id = $1 AND external_id = $2", tenant, who[1])
		require.Len(t, user, 1)
		for some := range slices.Chunk(questions, 1_000) {
			items := make([]map[string]any, len(some))
			for i, c := range some {
				items[i] = map[string]any{"action": c.Action, "resource": map[string]any{"type": c.Resource.Type, "id": c.Resource.ID, "attributes": c.Resource.Attrs}}
			}
			answer := w.do(request{
				as: "operator", method: http.MethodPost, path: "/permissions/batch-check", header: map[string]string{"X-Tenant-ID": tenant},
				body: jsonOf(map[string]any{"user_id": user[0], "checks": items}),
			})
			require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
			for i, c := range some {
				require.Equal(t, c.Allowed, answer.at(fmt.Sprintf("data.results.%d.allowed", i)), "%+v: %v", c, answer.at(fmt.Sprintf("data.results.%d", i)))
				asked++
			}
		}
	}
	require.Equal(t, len(checks), asked)
}

// BenchmarkImport_Workload measures the import of size M: ten tenants, each of
// 1,000 users, 100 roles, 500 permissions, 50 groups and 1,000 nodes.
func BenchmarkImport_Workload(b *testing.B) {
	tenants, _ := generate(b, "M")
	for b.Loop() {
		b.StopTimer()
		w := startWorld(b, newDatabase(b))
		b.StartTimer()
		w.loadAll(tenants)
		b.StopTimer()
		require.NoError(b, w.stop())
		b.StartTimer()
	}
	b.ReportMetric(float64(len(tenants)), "tenants/op")
}

package migrations_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/migrations"
)

const (
	searchSQL = "SELECT sentinel.search($1, $2)::text"
	firstSQL  = "SELECT total || ' ' || (total > cardinality(ids)) FROM sentinel.search_first($1, $2, 3)"
	amongSQL  = "SELECT sentinel.search_among($1, $2, ARRAY(SELECT id FROM sentinel."
)

// searched are the columns that each kind was searched by with ILIKE.
var searched = map[string][]string{
	"users":       {"email", "username", "display_name", "external_id", "description"},
	"roles":       {"name", "display_name", "description"},
	"groups":      {"name", "display_name", "description"},
	"resources":   {"name", "code"},
	"permissions": {"name"},
}

func TestSearch_EntriesAreOutOfTheServersReach(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	id := f.user(tenant)
	for _, sql := range []string{
		"SELECT * FROM sentinel.search_entries",
		"INSERT INTO sentinel.search_entries VALUES ('" + tenant + "', 'users', gen_random_uuid(), 'x')",
		"UPDATE sentinel.search_entries SET haystack = 'x'",
		"DELETE FROM sentinel.search_entries",
		"TRUNCATE sentinel.search_entries",
		"SELECT sentinel.create_search_index()",
	} {
		f.forbidden(tenant, sql)
		f.forbidden("", sql)
	}
	require.Equal(t, []string{id}, rowsAs[string](f, tenant, searchSQL, "users", "@EXAMPLE"))
}

func TestSearch_FindsInTheTransactionsTenantOnly(t *testing.T) {
	f := setup(t)
	own, other := f.tenant("OWN", "", "{}"), f.tenant("OTHER", "", "{}")
	sub := f.tenant("OWN-SUB", own, `{"inherit_permissions": true}`)
	ids := map[string]string{}
	for _, tenant := range []string{own, other, sub} {
		ids[tenant] = f.group(tenant, "crew")
		f.role(tenant, "crew")
	}
	for tenant, id := range ids {
		require.Equal(t, []string{id}, rowsAs[string](f, tenant, searchSQL, "groups", "crew"))
		require.Empty(t, rowsAs[string](f, tenant, searchSQL, "users", "crew"))
		require.Empty(t, rowsAs[string](f, tenant, searchSQL, "elsewhere", "crew"))
		require.Equal(t, []string{"1 false"}, rowsAs[string](f, tenant, firstSQL, "groups", "crew"))
		all := []string{ids[own], ids[other], ids[sub]}
		require.Equal(t, []string{id}, rowsAs[string](f, tenant, "SELECT sentinel.search_among($1, $2, $3::text[]::uuid[])::text", "groups", "crew", all), "ids of other tenants tell nothing")
	}
	require.Empty(t, rowsAs[string](f, "", searchSQL, "groups", "crew"))
	require.Equal(t, []string{"0 false"}, rowsAs[string](f, "", firstSQL, "groups", "crew"))
	require.Empty(t, rowsAs[string](f, "", "SELECT sentinel.search_among($1, $2, $3::text[]::uuid[])::text", "groups", "crew", []string{ids[own]}))
	require.Empty(t, rowsAs[string](f, uuid.NewString(), searchSQL, "groups", "crew"))
	// The system scope has no tenant to search in.
	require.Empty(t, rows[string](f, searchSQL, "groups", "crew"))
}

// The texts that people and attackers type find what ILIKE finds, with the index
// and without it.
func TestSearch_FindsWhatILIKEFinds(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	names := []string{
		"Alpha", "ALPHA beta", "50% of it", "100_percent", "1000percent", `back\slash`, `C:\%_`, "o'brien", `say "hi"`, "a", "Ab", "ab c",
		"Ærøskøbing", "ΑΘΗΝΑ", "Αθήνα", "МОСКВА", "straße", "STRASSE", "東京都", "İstanbul", "ﬁre", "x\ty", "  two  spaces  ", "--", "%", "_", `\`, "🚢 ship",
		strings.Repeat("long", 25),
	}
	for i, name := range names {
		f.exec("INSERT INTO sentinel.groups (tenant_id, name, display_name) VALUES ($1, $2, $3)", tenant, fmt.Sprintf("g%d", i), name)
		f.exec("INSERT INTO sentinel.users (tenant_id, email, display_name, external_id) VALUES ($1, $2, $3, $4)", tenant, fmt.Sprintf("u%d@example.com", i), name, "X-"+fmt.Sprint(i))
	}
	texts := append([]string{
		"alpha", "LPH", "50%", "0_p", "0%p", "%_", `\%`, `\\`, "'", `"`, "' OR ''='", "A", "AB", "b c", "b  c", "ærø", "αθή", "ΑΘΉ", "москва", "SS", "ß", "ẞ", "京", "京都",
		"istanbul", "i̇", "fi", "ﬁ", "\t", " ", "  ", "-", "@", "🚢", "x-1", "g1", "GG", "com\x1f", "\x1f", "u1@example.comAlpha", strings.Repeat("LONG", 25), strings.Repeat("long", 24) + "none",
	}, names...)
	compare := func(t *testing.T) {
		t.Helper()
		for _, kind := range []string{"groups", "users"} {
			var terms []string
			for _, c := range searched[kind] {
				terms = append(terms, c+" ILIKE $1")
			}
			for _, text := range texts {
				like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
				want := rowsAs[string](f, tenant, "SELECT id::text FROM sentinel."+kind+" WHERE "+strings.Join(terms, " OR "), like)
				require.ElementsMatch(t, want, rowsAs[string](f, tenant, searchSQL, kind, text), "%s %q", kind, text)
				// Whether they are no more than asked for, or more, or one by one.
				require.ElementsMatch(t, want, rowsAs[string](f, tenant, "SELECT unnest(ids)::text FROM sentinel.search_first($1, $2, 100)", kind, text), "%s %q", kind, text)
				require.Equal(t, []string{fmt.Sprint(len(want), " ", len(want) > 3)}, rowsAs[string](f, tenant, firstSQL, kind, text), "%s %q", kind, text)
				slices.Sort(want)
				require.Equal(t, want, rowsAs[string](f, tenant, amongSQL+kind+" ORDER BY id))::text", kind, text), "%s %q", kind, text)
			}
		}
	}
	require.True(t, one[bool](f, "SELECT sentinel.create_search_index()"), "it is there already")
	f.exec("ALTER FUNCTION sentinel.search(text, text) SET enable_seqscan = off")
	f.exec("ALTER FUNCTION sentinel.search(text, text) SET enable_indexscan = off")
	compare(t)
	f.exec("DROP INDEX sentinel.search_entries_haystack_idx")
	compare(t)
}

func TestSearch_EntriesFollowTheirObjects(t *testing.T) {
	f := setup(t)
	tenant, other := f.tenant("OWN", "", "{}"), f.tenant("OTHER", "", "{}")
	seedEveryTable(f, tenant, other)
	agree := func() {
		t.Helper()
		for kind, columns := range searched {
			require.Empty(t, rows[string](f, fmt.Sprintf(`
SELECT COALESCE(o.id, e.object_id)::text
FROM (SELECT *, lower(concat_ws(chr(31), %s)) AS haystack FROM sentinel.%[2]s) o
FULL JOIN (SELECT * FROM sentinel.search_entries WHERE kind = '%[2]s') e
  ON e.tenant_id = o.tenant_id AND e.object_id = o.id AND e.haystack = o.haystack
WHERE o.id IS NULL OR e.object_id IS NULL`, strings.Join(columns, ", "), kind)), kind)
		}
	}
	agree()
	for kind, columns := range searched {
		f.mustAs(tenant, fmt.Sprintf("UPDATE sentinel.%s SET %s = 'changed-' || substr(id::text, 25)", kind, columns[0]))
		agree()
		require.NotEmpty(t, rowsAs[string](f, tenant, searchSQL, kind, "CHANGED-"), kind)
		require.Empty(t, rowsAs[string](f, other, searchSQL, kind, "changed-"), kind)
	}
	// A service account is searched like people, and an erased column is gone.
	service := one[string](f, `INSERT INTO sentinel.users (tenant_id, username, display_name, is_service_account, service_account_key_id, service_account_key_hash)
		VALUES ($1, 'Crane', 'Quay Crane', true, 'k', 'x') RETURNING id::text`, tenant)
	require.Equal(t, []string{service}, rowsAs[string](f, tenant, searchSQL, "users", "crane"))
	f.mustAs(tenant, "UPDATE sentinel.users SET username = NULL, display_name = '' WHERE id = $1", service)
	require.Empty(t, rowsAs[string](f, tenant, searchSQL, "users", "crane"))
	agree()
	f.exec("UPDATE sentinel.users SET id = gen_random_uuid() WHERE id = $1", service)
	agree()
	// What is erased leaves nothing behind, by its own deletion or its tenant's.
	f.mustAs(tenant, "DELETE FROM sentinel.user_groups")
	f.mustAs(tenant, "DELETE FROM sentinel.users WHERE display_name = ''")
	agree()
	f.exec("DELETE FROM sentinel.tenants WHERE id = $1", other)
	agree()
	require.Zero(t, one[int](f, "SELECT count(*)::int FROM sentinel.search_entries WHERE tenant_id = $1", other))
}

func TestSearch_LoginsDoNotTouchEntries(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	user := f.user(tenant)
	version := func() string {
		return one[string](f, "SELECT xmin::text FROM sentinel.search_entries WHERE object_id = $1", user)
	}
	before := version()
	f.mustAs(tenant, "UPDATE sentinel.users SET login_count = login_count + 1, last_login = now(), attributes = '{\"a\": 1}' WHERE id = $1", user)
	f.mustAs(tenant, "UPDATE sentinel.users SET email = email WHERE id = $1", user)
	require.Equal(t, before, version())
	f.mustAs(tenant, "UPDATE sentinel.users SET display_name = 'New' WHERE id = $1", user)
	require.NotEqual(t, before, version())
}

func TestSearch_FillsFromWhatWasThere(t *testing.T) {
	f := setup(t)
	tenant := f.tenant("OWN", "", "{}")
	seedEveryTable(f, tenant)
	before := rows[string](f, "SELECT e::text FROM sentinel.search_entries e ORDER BY 1")
	require.NotEmpty(t, before)
	down := downPart(t, "00013_search.sql")
	f.exec(down)
	require.Equal(t, 2, one[int](f, "SELECT count(*)::int FROM pg_extension WHERE extname IN ('pg_trgm', 'btree_gin')"), "others may use them")
	f.exec(upPart(t, "00013_search.sql"))
	require.Equal(t, before, rows[string](f, "SELECT e::text FROM sentinel.search_entries e ORDER BY 1"))
}

// Where the extensions may not be used, everything works without the index; and
// where they are in a schema of their own, it is made all the same.
func TestSearch_ExtensionsElsewhere(t *testing.T) {
	d := dbtest.New(t)
	admin := &fixture{t: t, owner: connect(t, d.OwnerURL)}
	for _, usable := range []bool{true, false} {
		name := "owner_" + uuid.NewString()[:8]
		admin.exec("CREATE ROLE " + name + " LOGIN PASSWORD 'secret' NOSUPERUSER NOBYPASSRLS")
		admin.exec("CREATE DATABASE " + name + " OWNER " + name)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			conn := connectAfterTest(t, d.OwnerURL)
			_, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			require.NoError(t, err)
			_, err = conn.Exec(ctx, "DROP ROLE "+name)
			require.NoError(t, err)
		})
		super := &fixture{t: t, owner: connect(t, withDatabase(t, d.OwnerURL, name))}
		super.exec("CREATE SCHEMA extensions")
		super.exec("CREATE EXTENSION pg_trgm SCHEMA extensions")
		super.exec("CREATE EXTENSION btree_gin SCHEMA extensions")
		if usable {
			super.exec("GRANT USAGE ON SCHEMA extensions TO " + name)
		}
		ownerURL := withUser(t, d.OwnerURL, name, "secret", name)
		require.NoError(t, migrations.Up(t.Context(), ownerURL))
		f := &fixture{t: t, owner: connect(t, ownerURL)}
		f.exec("SELECT set_config('sentinel.scope', 'system', false)")
		require.Equal(t, usable, one[bool](f, "SELECT to_regclass('sentinel.search_entries_haystack_idx') IS NOT NULL"))
		require.Equal(t, usable, one[bool](f, "SELECT sentinel.create_search_index()"))
		tenant := f.tenant("ACME", "", "{}")
		group := f.group(tenant, "Harbour crew")
		f.exec("SELECT set_config('sentinel.tenant_id', $1, false)", tenant)
		require.Equal(t, []string{group}, rows[string](f, searchSQL, "groups", "our CREW"))
		require.NoError(t, migrations.Down(t.Context(), ownerURL))
	}
}

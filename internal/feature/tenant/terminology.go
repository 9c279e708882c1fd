package tenant

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Label is what something is called, and several of it.
type Label struct {
	Label  string  `json:"label" minLength:"1" maxLength:"60"`
	Plural *string `json:"plural,omitempty" minLength:"1" maxLength:"60"`
}

// words are what can be called otherwise, with their names where nobody does.
func words() map[string]Label {
	word := func(one, many string) Label { return Label{Label: one, Plural: &many} }
	return map[string]Label{
		"tenant":          word("Tenant", "Tenants"),
		"sub_tenant":      word("Sub-tenant", "Sub-tenants"),
		"user":            word("User", "Users"),
		"service_account": word("Service account", "Service accounts"),
		"role":            word("Role", "Roles"),
		"group":           word("Group", "Groups"),
		"permission":      word("Permission", "Permissions"),
		"resource":        word("Resource", "Resources"),
		"field":           word("Field", "Fields"),
		"menu":            word("Menu", "Menus"),
		"approval":        word("Approval", "Approvals"),
		"access_request":  word("Access request", "Access requests"),
		"policy":          word("Policy", "Policies"),
		"audit_log":       word("Audit log", "Audit logs"),
		"webhook":         word("Webhook", "Webhooks"),
	}
}

// The sources of a label.
const (
	byDefault   = "default"
	byInherited = "inherited"
	byOwn       = "own"
)

// Word is what a tenant calls something, and who says so.
type Word struct {
	Label  string  `json:"label"`
	Plural *string `json:"plural" nullable:"true" doc:"null where only the singular was given."`
	Source string  `json:"source" enum:"default,inherited,own"`
	From   *string `json:"from" nullable:"true" doc:"The code of the tenant whose label it is; null for a default."`
}

// Terminology is what a tenant calls things.
type Terminology struct {
	Words map[string]Word `json:"words"`
}

// ETag changes with every label, inherited ones too.
func (t *Terminology) ETag() string {
	parts := []any{}
	for _, name := range names(t.Words) {
		w := t.Words[name]
		parts = append(parts, name, w.Label, text(w.Plural), w.Source, text(w.From))
	}
	return httpapi.ETag(parts...)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Service) terminology(ctx context.Context, in *IDIn) (out *Terminology, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		out, err = called(tx, in.ID)
		return err
	})
	return out, err
}

// called works out the labels along the line of a tenant, of which it reads
// nothing else: the nearest tenant that has a word of its own decides.
func called(tx *db.Tx, id uuid.UUID) (*Terminology, error) {
	var line []struct {
		ID          uuid.UUID
		Code        string
		Terminology models.JSON
	}
	err := tx.Raw(`
SELECT t.id, t.code, t.terminology, 0 AS depth
FROM sentinel.tenants t
WHERE t.id = @id
UNION ALL
SELECT t.id, t.code, t.terminology, a.depth
FROM sentinel.tenant_ancestors a
JOIN sentinel.tenants t ON t.id = a.ancestor_id
WHERE a.tenant_id = @id
ORDER BY depth`, map[string]any{"id": id}).Scan(&line).Error
	if err != nil {
		return nil, fmt.Errorf("labels along the line: %w", err)
	}
	if len(line) == 0 || line[0].ID != id {
		return nil, fault.NotFound("tenant")
	}
	out := &Terminology{Words: map[string]Word{}}
	for name, label := range words() {
		out.Words[name] = Word{Label: label.Label, Plural: label.Plural, Source: byDefault}
	}
	for _, t := range slices.Backward(line) {
		labels, err := decode(t.Terminology)
		if err != nil {
			return nil, err
		}
		source := byInherited
		if t.ID == id {
			source = byOwn
		}
		for name, label := range labels {
			if _, ok := out.Words[name]; ok {
				out.Words[name] = Word{Label: label.Label, Plural: label.Plural, Source: source, From: &t.Code}
			}
		}
	}
	return out, nil
}

func decode(raw models.JSON) (map[string]Label, error) {
	labels := map[string]Label{}
	if len(raw) == 0 {
		return labels, nil
	}
	if err := json.Unmarshal(raw, &labels); err != nil {
		return nil, fmt.Errorf("decode labels: %w", err)
	}
	return labels, nil
}

// TerminologyIn overrides some words.
type TerminologyIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Words map[string]httpapi.Opt[Label] `json:"words" doc:"By word; null takes the override away."`
	}
}

// check names every word that there is not and every label that cannot be shown.
func (in *TerminologyIn) check() error {
	var fields []fault.Field
	all := words()
	for name, label := range in.Body.Words {
		path := "words." + name
		if _, ok := all[name]; !ok {
			fields = append(fields, fault.Field{Path: path, Message: "is no word that can be called otherwise; there are " + strings.Join(names(all), ", ")})
			continue
		}
		if label.Null {
			continue
		}
		if !presentable(label.Value.Label) {
			fields = append(fields, fault.Field{Path: path + ".label", Message: unpresentable})
		}
		if label.Value.Plural != nil && !presentable(*label.Value.Plural) {
			fields = append(fields, fault.Field{Path: path + ".plural", Message: unpresentable})
		}
	}
	if fields == nil {
		return nil
	}
	slices.SortFunc(fields, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
	return fault.Invalid(fields...)
}

const unpresentable = "must have 1 to 60 characters, none of them hidden, and no space at either end"

func presentable(s string) bool {
	n := len([]rune(s))
	return n >= 1 && n <= 60 && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

func (s *Service) setTerminology(ctx context.Context, in *TerminologyIn) (out *Terminology, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.administers(ctx, in.ID, false); err != nil {
		return nil, s.recorded(ctx, "tenant.terminology", err)
	}
	if err := changeable(in.ID); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	err = s.Write.Plain(ctx, func(w *change.Write) error {
		m, err := locked(w.Tx, in.ID)
		if err != nil {
			return err
		}
		now, err := called(w.Tx, in.ID)
		if err != nil {
			return err
		}
		if err := in.Check(now.ETag()); err != nil {
			return err
		}
		before, after, err := in.merge(m.Terminology)
		if err != nil {
			return err
		}
		if err := w.Model(m).Update("terminology", models.Object(after)).Error; err != nil {
			return fmt.Errorf("set labels: %w", err)
		}
		if out, err = called(w.Tx, in.ID); err != nil {
			return err
		}
		return w.Record(audit.Event{Action: "tenant.terminology", ResourceType: "tenant", ResourceID: m.ID, Before: before, After: after})
	})
	return out, err
}

// merge returns the tenant's own labels as they are and as they will be.
func (in *TerminologyIn) merge(stored models.JSON) (before map[string]Label, after map[string]any, err error) {
	if before, err = decode(stored); err != nil {
		return nil, nil, err
	}
	after = map[string]any{}
	for name, label := range before {
		after[name] = label
	}
	for name, label := range in.Body.Words {
		if label.Null {
			delete(after, name)
		} else {
			after[name] = label.Value
		}
	}
	return before, after, nil
}

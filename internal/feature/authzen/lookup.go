package authzen

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// maxName is the length of the longest name that an account can have, in
// characters: that of an e-mail address.
const maxName = 320

// byName finds the accounts of a tenant by names, which stand beside themselves as
// addresses and as ids where they can be those.
const byName = `
SELECT n.name, u.id
FROM unnest($2::text[]) AS n (name)
JOIN sentinel.users u ON u.tenant_id = $1 AND u.external_id = n.name
UNION
SELECT n.name, u.id
FROM unnest($2::text[], $3::text[]) AS n (name, email)
JOIN sentinel.users u ON u.tenant_id = $1 AND u.email = n.email AND u.email <> '' AND u.email_verified_at IS NOT NULL
UNION
SELECT n.name, u.id
FROM unnest($2::text[], $4::uuid[]) AS n (name, id)
JOIN sentinel.users u ON u.tenant_id = $1 AND u.id = n.id`

// accounts finds the accounts of the context's tenant that names mean: by
// external_id, by verified e-mail address, by id. A name that means two
// means uuid.Nil, and one that means nobody is left out.
func (s *Service) accounts(ctx context.Context, tenant uuid.UUID, names []string) (map[string]uuid.UUID, error) {
	emails, ids := make([]*string, len(names)), make([]*uuid.UUID, len(names))
	for i, name := range names {
		if email, ok := s.NormaliseEmail(name); ok {
			emails[i] = &email
		}
		if id, err := uuid.Parse(name); err == nil && len(name) == len(id.String()) {
			ids[i] = &id
		}
	}
	var found map[string]uuid.UUID
	err := s.DB.InReadTx(ctx, func(tx *db.Tx) error {
		rows, err := tx.Pgx.Query(ctx, byName, tenant, names, emails, ids)
		if err != nil {
			return err
		}
		var (
			name string
			id   uuid.UUID
		)
		found = make(map[string]uuid.UUID, len(names))
		_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
			if _, twice := found[name]; twice {
				id = uuid.Nil
			}
			found[name] = id
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find subjects: %w", err)
	}
	return found, nil
}

// storable reports whether a name can be somebody's.
func storable(name string) bool { return utf8.RuneCountInString(name) <= maxName }

// calls reports whether the tenant calls its accounts by that type of subjects.
func (s *Service) calls(ctx context.Context, tenant uuid.UUID, kind string) (bool, error) {
	snapshot, err := s.Engine.Snapshot(ctx, tenant)
	if err != nil {
		return false, err
	}
	return slices.Contains(snapshot.Tenant.SubjectTypes, kind), nil
}

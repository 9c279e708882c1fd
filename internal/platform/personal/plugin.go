package personal

import (
	"errors"
	"reflect"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/models"
)

// Plugin makes GORM seal and open the personal attributes of accounts. SQL
// written by hand goes past it, and has [SealAttributes] and [OpenAttributes].
type Plugin struct{ Master *crypto.MasterKey }

// errPartial refuses writes of which it cannot be told whose attributes they
// are: an update of some columns, a row whose id the database makes.
var errPartial = errors.New("attributes of accounts are written with the whole row, so that the personal ones can be sealed")

// Name implements [gorm.Plugin].
func (p *Plugin) Name() string { return "sentinel:personal" }

// Initialize implements [gorm.Plugin].
func (p *Plugin) Initialize(g *gorm.DB) error {
	c := g.Callback()
	return errors.Join(
		c.Query().After("gorm:query").Register("sentinel:open", p.open),
		c.Create().Before("gorm:create").Register("sentinel:seal", p.seal),
		c.Create().After("gorm:create").Register("sentinel:open", p.open),
		c.Update().Before("gorm:update").Register("sentinel:seal", p.seal),
		c.Update().After("gorm:update").Register("sentinel:open", p.open),
	)
}

// columns are the fields of a row with an account's attributes.
type columns struct{ id, tenant, attributes *schema.Field }

// accounts returns the fields if a statement is about accounts.
func accounts(tx *gorm.DB) (columns, bool) {
	s := tx.Statement.Schema
	if s == nil || s.Table != (models.User{}).TableName() {
		return columns{}, false
	}
	c := columns{s.LookUpField("id"), s.LookUpField("tenant_id"), s.LookUpField("attributes")}
	return c, c.id != nil && c.tenant != nil && c.attributes != nil
}

// open opens what a statement read, or what it wrote and leaves in memory. Rows
// of another shape than the model's, such as counts, hold no attributes.
func (p *Plugin) open(tx *gorm.DB) {
	c, ok := accounts(tx)
	if !ok {
		return
	}
	each(tx, reflect.ValueOf(tx.Statement.Dest), func(row reflect.Value) error {
		id, attributes := c.of(tx, row)
		if len(attributes) == 0 {
			return nil
		}
		opened, err := OpenAttributes(p.Master, id, attributes)
		if err != nil && tx.Error != nil {
			return nil // what failed first is what went wrong
		}
		if err != nil {
			return err
		}
		return c.attributes.Set(tx.Statement.Context, row, opened)
	})
}

func (p *Plugin) seal(tx *gorm.DB) {
	c, ok := accounts(tx)
	if !ok || tx.Error != nil {
		return
	}
	if values, ok := tx.Statement.Dest.(map[string]any); ok {
		if values["attributes"] != nil || values["Attributes"] != nil {
			_ = tx.AddError(errPartial)
		}
		return
	}
	model, dest := reflect.ValueOf(tx.Statement.Model), reflect.ValueOf(tx.Statement.Dest)
	partial := model.Kind() == reflect.Pointer && (dest.Kind() != reflect.Pointer || dest.Pointer() != model.Pointer())
	keys := map[uuid.UUID][]string{}
	each(tx, reflect.ValueOf(tx.Statement.Dest), func(row reflect.Value) error {
		id, attributes := c.of(tx, row)
		if len(attributes) == 0 {
			return nil
		}
		if partial {
			return errPartial
		}
		value, _ := c.tenant.ValueOf(tx.Statement.Context, row)
		tenant, _ := value.(uuid.UUID)
		names, known := keys[tenant]
		if !known {
			var err error
			if names, err = Keys(tx.Session(&gorm.Session{NewDB: true}), tenant); err != nil {
				return err
			}
			keys[tenant] = names
		}
		sealed, err := SealAttributes(p.Master, id, attributes, names)
		if err != nil {
			return err
		}
		return c.attributes.Set(tx.Statement.Context, row, sealed)
	})
}

func (c columns) of(tx *gorm.DB, row reflect.Value) (uuid.UUID, models.JSON) {
	value, _ := c.id.ValueOf(tx.Statement.Context, row)
	id, _ := value.(uuid.UUID)
	value, _ = c.attributes.ValueOf(tx.Statement.Context, row)
	attributes, _ := value.(models.JSON)
	return id, attributes
}

// each calls fn with every row of the model's type in v.
func each(tx *gorm.DB, v reflect.Value, fn func(row reflect.Value) error) {
	v = reflect.Indirect(v)
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			each(tx, v.Index(i), fn)
		}
	case v.Kind() == reflect.Interface:
		each(tx, v.Elem(), fn)
	case v.Type() == tx.Statement.Schema.ModelType:
		if err := fn(v); err != nil {
			_ = tx.AddError(err)
		}
	}
}

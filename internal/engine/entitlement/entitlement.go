// Package entitlement names the features of the product that a tenant can be
// without, and works out which ones it has: no tenant has more than its parent.
// It knows neither what a feature does nor who may use it.
package entitlement

import (
	"slices"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// The features there are. All else every tenant has.
const (
	ServiceAccounts  = "service_accounts"
	SubTenants       = "sub_tenants"
	FieldDefinitions = "field_definitions"
	Navigation       = "navigation"
	Approvals        = "approvals"
	Policies         = "policies"
	Webhooks         = "webhooks"
	AuditExport      = "audit_export"
	AuthZEN          = "authzen"
	AI               = "ai"
	Biometrics       = "biometrics"
)

// Known returns the names of all features.
func Known() []string {
	return []string{
		ServiceAccounts, SubTenants, FieldDefinitions, Navigation, Approvals, Policies, Webhooks, AuditExport, AuthZEN, AI, Biometrics,
	}
}

// OfSection returns the feature that a section of the API belongs to, false for
// a section that every tenant has. Features that are parts of a section, such as
// [AuditExport], are asked about where they are offered.
func OfSection(section string) (feature string, gated bool) {
	switch section {
	case "service-accounts":
		return ServiceAccounts, true
	case "field-definitions":
		return FieldDefinitions, true
	case "navigation":
		return Navigation, true
	case "approval-chains", "access-requests":
		return Approvals, true
	case "policies":
		return Policies, true
	case "webhooks":
		return Webhooks, true
	case "authzen":
		return AuthZEN, true
	case "ai":
		return AI, true
	case "biometrics":
		return Biometrics, true
	default:
		return "", false
	}
}

// Set is what a tenant has. The zero value is every feature; one that is
// narrowed to nothing is none.
type Set struct {
	limited bool
	names   []string
}

// Narrowed returns what of s is left by a tenant's own list, which is everything
// where it is empty.
func (s Set) Narrowed(own []string) Set {
	if len(own) == 0 {
		return s
	}
	names := make([]string, 0, len(own))
	for _, name := range own {
		if s.Has(name) {
			names = append(names, name)
		}
	}
	return Set{limited: true, names: names}
}

// Has reports whether the feature is in the set.
func (s Set) Has(name string) bool { return !s.limited || slices.Contains(s.names, name) }

// Disabled is the fault of a call to what the tenant is without.
func Disabled(name string) *fault.Error {
	f := fault.New(fault.FeatureDisabled, "This tenant does not have the feature %s. It is switched on from above: by an operator or the tenant_admin of the parent.", name)
	f.Details = map[string]any{"feature": name}
	return f
}

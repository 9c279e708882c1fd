package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// Roots are the parts of OPA's data document that the platform library owns.
func Roots() []string { return []string{"sentinel"} }

// Signing says how a bundle is signed.
type Signing struct {
	// Key is a private key in PEM, or the secret of an HS algorithm.
	Key string
	// KeyID is what agents find the public key by.
	KeyID string
	// Algorithm is one of JWT's; default RS256. Those of the ES and PS families
	// make a new signature, so other bytes, each time.
	Algorithm string
	// Scope must equal the scope in the agents' configuration.
	Scope string
}

// Bundle writes the library without its tests as an OPA bundle (tar.gz). The
// same library and revision give the same bytes. A nil signing leaves the
// bundle unsigned.
func (l *Library) Bundle(w io.Writer, revision string, signing *Signing) error {
	version, roots := 1, Roots()
	b := bundle.Bundle{
		Manifest: bundle.Manifest{Revision: revision, Roots: &roots, RegoVersion: &version},
		Data:     map[string]any{},
	}
	parsed, err := parse(l.modules)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(l.modules)) {
		b.Modules = append(b.Modules, bundle.ModuleFile{
			URL: "/" + path, Path: "/" + path, Raw: []byte(l.modules[path]), Parsed: parsed[path],
		})
	}
	if signing != nil {
		if err := sign(&b, signing); err != nil {
			return fmt.Errorf("sign bundle: %w", err)
		}
	}
	if err := bundle.NewWriter(w).DisableFormat(true).Write(b); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// sign adds the signature. OPA reads a signature's scope from a file only.
func sign(b *bundle.Bundle, s *Signing) error {
	dir, err := os.MkdirTemp("", "sentinel-bundle-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	claims, err := json.Marshal(map[string]string{"scope": s.Scope})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "claims.json")
	if err := os.WriteFile(path, claims, 0o600); err != nil {
		return err
	}
	return b.GenerateSignature(bundle.NewSigningConfig(s.Key, s.Algorithm, path), s.KeyID, false)
}

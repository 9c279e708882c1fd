package policy

import (
	"bytes"
	"context"
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

// TenantRoots are the parts of OPA's data document that a tenant's bundle owns.
func TenantRoots() []string { return []string{rootGraph, "sentinel", rootTenant} }

const rootGraph = "sentinel_graph"

// Bundle writes the library without its tests as an OPA bundle (tar.gz). The
// same library and revision give the same bytes. A nil signing leaves the
// bundle unsigned.
func (l *Library) Bundle(w io.Writer, revision string, signing *Signing) error {
	return l.write(w, manifest(revision, Roots()), map[string]any{}, nil, signing)
}

// TenantBundle writes a tenant's bundle: the library without its tests, the
// tenant's modules, held to the rules of [CompileModules], and what the library
// knows of the tenant. A stock OPA that loads it answers
// data.sentinel.authz.decision as the server does. Equal arguments give equal
// bytes.
func (l *Library) TenantBundle(ctx context.Context, w io.Writer, doc *Document, texts map[string]string, revision string, signing *Signing) error {
	if _, err := CompileModules(ctx, l, texts); err != nil {
		return err
	}
	own, err := parseTenant(texts)
	if err != nil {
		return err
	}
	// By its package a module has a place that is nobody else's.
	placed := make(map[string]string, len(own))
	for path, m := range own {
		placed[rootTenant+"/"+nameOf(m)+moduleSuffix] = texts[path]
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode graph document: %w", err)
	}
	data := map[string]any{rootGraph: json.RawMessage(raw)}
	if signing != nil {
		// What is signed is walked member by member.
		if data, err = decoded(data); err != nil {
			return err
		}
	}
	return l.write(w, manifest(revision, TenantRoots()), data, placed, signing)
}

func manifest(revision string, roots []string) bundle.Manifest {
	version := 1
	return bundle.Manifest{Revision: revision, Roots: &roots, RegoVersion: &version}
}

// decoded returns data as plain maps and lists, with exact numbers.
func decoded(data map[string]any) (out map[string]any, err error) {
	raw, err := json.Marshal(data)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		err = decoder.Decode(&out)
	}
	if err != nil {
		return nil, fmt.Errorf("encode graph document: %w", err)
	}
	return out, nil
}

func (l *Library) write(w io.Writer, m bundle.Manifest, data map[string]any, tenant map[string]string, signing *Signing) error {
	b := bundle.Bundle{Manifest: m, Data: data}
	modules := union(l.modules, tenant)
	parsed, err := parse(modules)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		b.Modules = append(b.Modules, bundle.ModuleFile{
			URL: "/" + path, Path: "/" + path, Raw: []byte(modules[path]), Parsed: parsed[path],
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

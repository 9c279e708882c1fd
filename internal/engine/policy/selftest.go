package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestReport is the outcome of the library's own unit tests.
type TestReport struct {
	// Passed is the number of rules that passed.
	Passed int
	// Failed names the rules that failed or raised an error, ascending.
	Failed []string
	// Coverage is the percentage of the library's lines that were evaluated.
	Coverage float64
	// Uncovered are the lines that were not, as file:from-to.
	Uncovered []string
}

// SelfTest runs the test_ rules that stand beside the library's modules. An
// error means that they could not be run.
func (l *Library) SelfTest(ctx context.Context) (TestReport, error) {
	modules, err := parse(l.modules)
	if err != nil {
		return TestReport{}, err
	}
	all, err := parse(l.tests)
	if err != nil {
		return TestReport{}, err
	}
	maps.Copy(all, modules)
	store := inmem.New()
	coverage := cover.New()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return TestReport{}, fmt.Errorf("test policy library: %w", err)
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().
		SetCompiler(newCompiler()).
		SetStore(store).
		SetModules(all).
		RaiseBuiltinErrors(true).
		SetCoverageQueryTracer(coverage).
		RunTests(ctx, txn)
	if err != nil {
		return TestReport{}, fmt.Errorf("test policy library: %w", err)
	}
	var report TestReport
	for r := range results {
		if r.Pass() {
			report.Passed++
			continue
		}
		name := r.Package + "." + r.Name
		if r.Error != nil {
			name += ": " + r.Error.Error()
		}
		report.Failed = append(report.Failed, name)
	}
	slices.Sort(report.Failed)
	covered := coverage.Report(modules)
	report.Coverage = covered.Coverage
	for path, file := range covered.Files {
		for _, r := range file.NotCovered {
			report.Uncovered = append(report.Uncovered, fmt.Sprintf("%s:%d-%d", path, r.Start.Row, r.End.Row))
		}
	}
	slices.Sort(report.Uncovered)
	return report, nil
}

package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// searchBounds are those of one page: past them it ends early and says where to
// go on.
type searchBounds struct {
	// candidates is how many users are decided about.
	candidates int
	// decisions is how many questions about nodes are decided.
	decisions int
	// time is for how long deciding goes on.
	time time.Duration
	// page is after how long no more subjects are read for a page.
	page time.Duration
}

func defaultBounds() searchBounds {
	return searchBounds{candidates: 20_000, decisions: 10_000, time: 2 * time.Second, page: 100 * time.Millisecond}
}

// subjectsEach is how many subjects are read at a time.
const subjectsEach = 500

// SubjectSearch asks who may do what the question is about. UserID is ignored.
type SubjectSearch struct {
	Question
	// After is the user after whom the page begins, by id; uuid.Nil for the first.
	After uuid.UUID
	// Limit is the most subjects wanted, at least 1.
	Limit int
}

// SubjectPage is a part of an answer, in the order of the users' ids.
type SubjectPage struct {
	Found []FoundSubject
	// Next is where to go on, uuid.Nil at the end. A page may have found nobody and
	// not be the last.
	Next uuid.UUID
	// DependsOn are the attributes, by canonical path, that conditions of
	// permissions for this read and the question lacks, ascending: with them the
	// answer may be another.
	DependsOn []string
	// NotEvaluated is about how many users nothing could be said; they are not
	// among those found.
	NotEvaluated int
	Revision     string
}

// FoundSubject is one who may, with the decision that says so.
type FoundSubject struct {
	Subject *Subject
	// Name is the account's display name, "" for none.
	Name     string
	Decision *Decision
}

// errMoved says that the graph has changed between two looks at the database.
var errMoved = errors.New("the graph has changed")

// mostLooks bounds how often the graph is loaded apart from the search.
const mostLooks = 3

// WhoCan answers a page of who may do something, of the newest state. It leaves
// no record, and proves nothing that conditions approve. The question must have
// passed [Question.Validate].
func (e *Engine) WhoCan(ctx context.Context, search *SubjectSearch) (*SubjectPage, error) {
	slot := e.slotOf(search.TenantID)
	slot.used.Store(e.elapsed())
	for look := 1; ; look++ {
		v, _, err := e.load(ctx, slot, nil)
		if err != nil {
			return nil, err
		}
		x := &subjectSearch{engine: e, ask: search, view: v, settle: look == mostLooks}
		err = e.db.InReadTx(identity.WithTenant(ctx, search.TenantID), func(tx *db.Tx) error { return x.run(ctx, tx) })
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return x.page, nil
	}
}

// subjectSearch is one page on its way. All of it is read in one transaction.
type subjectSearch struct {
	engine *Engine
	ask    *SubjectSearch
	view   *view
	// settle reads the graph again in the transaction if it has moved.
	settle bool

	s          *Snapshot
	now        time.Time
	page       *SubjectPage
	candidates *candidateWalk
	// looked is how many candidates were decided about.
	looked int
}

// run makes the page. It fails with errMoved if the transaction sees another
// graph than the view has.
func (x *subjectSearch) run(ctx context.Context, tx *db.Tx) error {
	revisions, epoch, err := loadRevisions(tx, x.view.snapshot.sources)
	if err != nil {
		return err
	}
	x.s = x.view.snapshot
	if epoch != x.view.epoch || graphMoved(x.view.revisions, revisions) {
		if !x.settle {
			return errMoved
		}
		if x.s, err = LoadSnapshot(tx, x.ask.TenantID, x.engine.loadOptions(x.s.policies)); err != nil {
			return err
		}
		x.engine.compile(ctx, x.s)
		if revisions, epoch, err = loadRevisions(tx, x.s.sources); err != nil {
			return err
		}
	}
	x.now, x.looked = x.engine.Now(), 0
	x.page = &SubjectPage{DependsOn: x.s.lacks(&x.ask.Question), Revision: token(x.s, revisions, epoch)}
	if !x.s.Tenant.Active {
		return nil
	}
	x.candidates = x.s.candidates(&x.ask.Question).walk(x.ask.TenantID, x.ask.After, x.now, min(x.ask.Limit+1, subjectsEach))
	return x.walk(ctx, tx)
}

// walk decides about the candidates, some at a time, until the page is full or
// has taken too long.
func (x *subjectSearch) walk(ctx context.Context, tx *db.Tx) error {
	started := x.engine.elapsed()
	soon, ends := started+int64(x.engine.bounds.page), started+int64(x.engine.bounds.time)
	// One more than are wanted, so that most pages know whether they are the last.
	for size := min(max(x.ask.Limit+1, subjectsEach/10), subjectsEach); ; size = subjectsEach {
		ids, err := x.candidates.next(tx, size)
		if err != nil {
			return err
		}
		subjects, names, err := loadSubjectsOf(tx, x.ask.TenantID, ids)
		if err != nil {
			return err
		}
		for i, subject := range subjects {
			x.decide(ctx, subject, names[i])
			if ctx.Err() != nil {
				return fault.New(fault.Unavailable, "The search was given up before it was done.").Because(ctx.Err())
			}
			x.looked++
			last := i == len(subjects)-1 && len(ids) < size
			if full := len(x.page.Found) == x.ask.Limit || x.looked == x.engine.bounds.candidates || x.engine.elapsed() > ends; full && !last {
				x.page.Next = subject.ID
				return nil
			}
		}
		if len(ids) < size {
			return nil
		}
		// Whoever waits for a page would rather have a part of it: the token says
		// where to go on.
		if x.engine.elapsed() > soon {
			x.page.Next = ids[len(ids)-1]
			return nil
		}
	}
}

// decide asks about one subject.
func (x *subjectSearch) decide(ctx context.Context, subject *Subject, name string) {
	q := x.ask.Question
	q.UserID = subject.ID
	d := &Decision{question: &q, now: x.now, Revision: x.page.Revision, snapshot: x.s}
	d.decide(ctx, subject, x.engine.searching(x.s))
	switch {
	case d.Allowed:
		d.ID = newID()
		x.page.Found = append(x.page.Found, FoundSubject{Subject: subject, Name: name, Decision: d})
	case d.Code == NotEvaluated:
		x.page.NotEvaluated++
	}
}

// searching is how a search asks. Where a policy could fail, it asks about the
// fields as a check does, since a failure there is one of the whole answer.
func (e *Engine) searching(s *Snapshot) asking {
	return asking{answerTTL: e.cfg.AnswerTTL, fields: s.policies != nil && s.policies.modules != nil, engine: e}
}

// lacks returns the paths of attributes that the question could say, that
// conditions of permissions for it read and that it does not say.
func (s *Snapshot) lacks(q *Question) []string {
	x := s.aim(q, s.Find(q.Type, q.ID))
	env := environment(&Decision{question: q, snapshot: s}, &Subject{}, x.node)
	paths := map[string]struct{}{}
	for _, g := range s.Grants.Reaching(&x.target) {
		for _, path := range g.Conditions.Missing(env) {
			if saidByQuestion(path) {
				paths[path] = struct{}{}
			}
		}
	}
	if w, state := x.workflow(); w != nil && x.node == nil && state == "" {
		paths["context.workflow_state"] = struct{}{}
	}
	return slices.Sorted(maps.Keys(paths))
}

// saidByQuestion reports whether whoever asks could say what is at a path. The
// time is the present one if they do not.
func saidByQuestion(path string) bool {
	switch path {
	case "context.time", "resource.path":
		return false
	}
	root, _, _ := strings.Cut(path, ".")
	return root == "resource" || root == "context" || root == "action"
}

// Question is what the decision answers. Not to be changed.
func (d *Decision) Question() *Question { return d.question }

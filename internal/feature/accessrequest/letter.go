package accessrequest

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
	"github.com/sentinel-access/sentinel/models"
)

// letter is the plain text of a mail. {who}, {what} and {tenant} are filled in,
// and a paragraph with the request, and the link if there are any, follows it.
type letter struct{ subject, text string }

const signature = "This mail was written by Sentinel for {tenant}. Nobody reads answers to it."

var (
	waitingLetter = letter{"A request waits for your decision", "{who} asks for {what} at {tenant}. You are one of those who may decide."}
	outcomes      = map[string]letter{
		"approved": {"Your request was approved", "The request for {what} at {tenant} was approved."},
		"denied":   {"Your request was denied", "The request for {what} at {tenant} was denied."},
		"expired":  {"Your request has expired", "Nobody decided in time on the request for {what} at {tenant}. You can ask again."},
		"revoked":  {"Your access was revoked", "What the request for {what} at {tenant} had granted was revoked."},
	}
)

// tellApprovers writes to those who may decide the request now, if somebody may.
func (p *process) tellApprovers(r *approval.Request) error {
	list, err := deciders(p.w.Tx, p.m, &p.d, r, p.now)
	if err != nil {
		return err
	}
	var to []string
	for _, one := range list {
		if one.email != "" {
			to = append(to, one.email)
		}
	}
	return p.write(waitingLetter, to)
}

// tellAsker writes to whoever asked, and to whoever gains if that is another.
func (p *process) tellAsker(outcome string) error {
	var users []models.User
	err := p.w.Select("email", "email_verified_at").
		Where("tenant_id = ? AND id IN ? AND is_active AND NOT is_service_account", p.m.TenantID, []uuid.UUID{p.m.RequesterID, p.m.BeneficiaryID}).Find(&users).Error
	if err != nil {
		return fmt.Errorf("find who asked: %w", err)
	}
	var to []string
	for i := range users {
		if email := verified(&users[i]); email != "" {
			to = append(to, email)
		}
	}
	return p.write(outcomes[outcome], to)
}

// write adds a mail for each address. What people wrote in the request stands in
// none: who decides reads it where they have to log in.
func (p *process) write(l letter, to []string) error {
	if len(to) == 0 {
		return nil
	}
	var tenant models.Tenant
	if err := p.w.Select("name").Where("id = ?", p.m.TenantID).Take(&tenant).Error; err != nil {
		return fmt.Errorf("find tenant: %w", err)
	}
	var who models.User
	if err := p.w.Select("display_name", "email").Where("tenant_id = ? AND id = ?", p.m.TenantID, p.m.RequesterID).Take(&who).Error; err != nil {
		return fmt.Errorf("find who asked: %w", err)
	}
	asked, err := p.asked()
	if err != nil {
		return err
	}
	where := "The request, for GET /api/v1/access-requests/{id}:\n" + p.m.ID.String()
	if url := p.s.cfg.PublicURL; url != "" {
		where = "Open this page:\n" + url + "/access-requests/" + p.m.ID.String()
	}
	name := who.DisplayName
	if name == "" {
		name = who.Email
	}
	text := strings.NewReplacer("{who}", mail.Line(name), "{what}", mail.Line(asked), "{tenant}", mail.Line(tenant.Name), "{link}", where).
		Replace(strings.Join([]string{l.text, "{link}", signature}, "\n\n") + "\n")
	for _, address := range to {
		message := mail.Message{To: address, Subject: l.subject, Text: text}
		p.letters = append(p.letters, func() { p.s.cfg.Outbox.Put(message) })
	}
	return nil
}

// asked says in words what is asked for.
func (p *process) asked() (string, error) {
	d := &p.d
	switch p.m.RequestType {
	case forRole:
		var name string
		err := p.w.Raw("SELECT name FROM sentinel.usable_roles() WHERE id = ?", d.RoleID).Scan(&name).Error
		if err != nil {
			return "", fmt.Errorf("find role: %w", err)
		}
		return "the role " + name, nil
	case forResource:
		return "access to " + d.ResourceType + " " + d.ResourceID, nil
	}
	return strings.TrimSpace(d.Action + " on " + d.ResourceType + " " + d.ResourceID), nil
}

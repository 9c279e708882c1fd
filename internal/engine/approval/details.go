package approval

import "github.com/google/uuid"

// Asked is what a request is for.
type Asked struct {
	ResourceType  string     `json:"resource_type,omitempty" maxLength:"100" doc:"For permission and resource_access."`
	ResourceID    string     `json:"resource_id,omitempty" maxLength:"255" doc:"The instance, or the id or code of a registered node. Without it a permission is for the type as a whole, as before a create. A registered node is shown by its code."`
	Action        string     `json:"action,omitempty" maxLength:"100" doc:"For permission. A resource_access is for every action."`
	RoleID        *uuid.UUID `json:"role_id,omitempty" doc:"For role."`
	DurationHours int        `json:"duration_hours,omitempty" minimum:"1" maximum:"87600" doc:"For how long it is wanted, from the approval on. Default: as long as the chain gives."`
}

// Details are the request_details as they are stored: what is asked for, with
// all that is settled when it is.
type Details struct {
	Asked
	NodeID *uuid.UUID `json:"node_id,omitempty"`
	// Persons are the accounts that counted as one person with the requester or
	// the beneficiary when the request was made: who was one then does not decide
	// by being parted since.
	Persons []uuid.UUID `json:"persons,omitempty"`
}

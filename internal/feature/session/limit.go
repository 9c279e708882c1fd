package session

import "context"

// limit counts a try to log in to an account. All ways to write an address are
// one account, so that writing it in another way gains no tries.
func (s *Service) limit(ctx context.Context, in *LoginIn) error {
	if s.Limit == nil {
		return nil
	}
	email, ok := s.NormaliseEmail(in.Body.Email)
	if !ok {
		email = in.Body.Email
	}
	return s.Limit(ctx, in.Body.TenantID+"\x00"+email)
}

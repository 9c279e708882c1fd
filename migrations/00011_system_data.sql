-- The platform's tenant, the system roles and what they may do. Fixed ids;
-- repeating it changes nothing.

-- +goose Up

SELECT set_config('sentinel.scope', 'system', true), set_config('sentinel.migration', 'on', true);

INSERT INTO sentinel.tenants (id, name, code, type)
VALUES ('00000000-0000-0000-0000-000000000000', 'Platform', 'PLATFORM', 'root')
ON CONFLICT DO NOTHING;

INSERT INTO sentinel.roles (id, tenant_id, name, display_name, description, type, priority)
VALUES
    ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-000000000000', 'super_admin', 'Super administrator', 'Everything, in every tenant. For users of the platform tenant only.', 'system', 1000),
    ('00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000000', 'tenant_admin', 'Tenant administrator', 'Everything in its tenant.', 'system', 900),
    ('00000000-0000-0000-0000-000000000012', '00000000-0000-0000-0000-000000000000', 'user_manager', 'User manager', 'Users, groups and role assignments.', 'system', 800),
    ('00000000-0000-0000-0000-000000000013', '00000000-0000-0000-0000-000000000000', 'security_author', 'Security author', 'Writes, tests and publishes policies.', 'system', 700),
    ('00000000-0000-0000-0000-000000000014', '00000000-0000-0000-0000-000000000000', 'approver', 'Approver', 'Decides on access requests.', 'system', 600),
    ('00000000-0000-0000-0000-000000000015', '00000000-0000-0000-0000-000000000000', 'auditor', 'Auditor', 'Reads everything, the audit log included.', 'system', 500),
    ('00000000-0000-0000-0000-000000000016', '00000000-0000-0000-0000-000000000000', 'viewer', 'Viewer', 'Reads its own data.', 'system', 100)
ON CONFLICT DO NOTHING;

-- As type, * never includes api, so that two roles need both.
INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_path, actions)
SELECT p.id::uuid, '00000000-0000-0000-0000-000000000000', p.name, split_part(p.path, '/', 1), p.path, p.actions
FROM (VALUES
    ('00000000-0000-0000-0000-000000000100', 'super_admin: every section', 'api/*', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000101', 'super_admin: every resource', '*/*', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000110', 'tenant_admin: every section', 'api/*', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000111', 'tenant_admin: every resource', '*/*', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000120', 'user_manager: users', 'api/users', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000121', 'user_manager: groups', 'api/groups', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000122', 'user_manager: read roles', 'api/roles', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000123', 'user_manager: navigation', 'api/navigation', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000130', 'security_author: policies', 'api/policies', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000131', 'security_author: read roles', 'api/roles', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000132', 'security_author: read permissions', 'api/permissions', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000133', 'security_author: read resources', 'api/resources', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000134', 'security_author: decisions', 'api/decisions', ARRAY['read', 'execute']),
    ('00000000-0000-0000-0000-000000000135', 'security_author: read field definitions', 'api/field-definitions', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000136', 'security_author: read approval chains', 'api/approval-chains', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000137', 'security_author: read the audit log', 'api/audit', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000138', 'security_author: navigation', 'api/navigation', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000140', 'approver: access requests', 'api/access-requests', ARRAY['*']),
    ('00000000-0000-0000-0000-000000000141', 'approver: read approval chains', 'api/approval-chains', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000142', 'approver: navigation', 'api/navigation', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000150', 'auditor: read every section', 'api/*', ARRAY['read']),
    ('00000000-0000-0000-0000-000000000160', 'viewer: navigation', 'api/navigation', ARRAY['read'])
) p (id, name, path, actions)
ON CONFLICT DO NOTHING;

-- The last two digits but one of a permission's id are the role's last one.
INSERT INTO sentinel.role_permissions (id, tenant_id, role_id, permission_id)
SELECT ('00000000-0000-0000-0000-000000000' || '2' || right(p.id::text, 2))::uuid, p.tenant_id,
    ('00000000-0000-0000-0000-00000000001' || substr(right(p.id::text, 2), 1, 1))::uuid, p.id
FROM sentinel.permissions p
WHERE p.tenant_id = '00000000-0000-0000-0000-000000000000'
AND p.id BETWEEN '00000000-0000-0000-0000-000000000100' AND '00000000-0000-0000-0000-0000000001ff'
ON CONFLICT DO NOTHING;

-- +goose Down

SELECT set_config('sentinel.scope', 'system', true), set_config('sentinel.migration', 'on', true);
DELETE FROM sentinel.tenants;

// Package models maps the rows of the schema sentinel for GORM, a file per
// section. It holds no logic; the schema itself, with its constraints, is in
// package migrations, and a test compares the two column by column.
//
// A member with a default of the database is left out of an INSERT when it is
// zero, and read back. Booleans are always written, so that false is false:
// whoever creates an active row says so. CreatedAt and UpdatedAt are the
// database's and never written, nor is Path of [Resource].
package models

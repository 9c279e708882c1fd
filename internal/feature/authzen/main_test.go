package authzen

import (
	"testing"

	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

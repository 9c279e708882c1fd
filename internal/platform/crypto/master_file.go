package crypto

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// previousFile is the suffix of the file with the key before the last one, which
// is there while a rotation is under way.
const previousFile = ".previous"

// LoadOrCreate reads the master key in a file, or makes one there, which only
// the file's owner may read. Of several processes that start at once, all get
// the same key. Whoever loses the file loses every secret sealed with it. The
// key that a rotation left beside it, as path with ".previous", still opens.
func LoadOrCreate(path string) (*MasterKey, error) {
	key, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("create the master key: %w", err)
		}
		key, err = load(path)
	}
	if err != nil {
		return nil, err
	}
	previous, err := load(path + previousFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return key, nil
	case err != nil:
		return nil, err
	default:
		return key.WithPrevious(previous), nil
	}
}

// BeginRotation puts a new key in the place of the one in a file and returns it,
// with the old one, now in path with ".previous", beside it. After a crash,
// whenever it was, it goes on where it stopped and makes no further key.
// [EndRotation] follows once nothing is sealed with the old one.
func BeginRotation(path string) (*MasterKey, error) {
	current, err := LoadOrCreate(path)
	if err != nil {
		return nil, err
	}
	if len(current.previous) > 0 {
		return current, nil
	}
	if err := replace(path+previousFile, current.secret[:]); err != nil {
		return nil, fmt.Errorf("keep the old master key: %w", err)
	}
	secret := make([]byte, masterKeyBytes)
	_, _ = rand.Read(secret) // never fails
	if err := replace(path, secret); err != nil {
		return nil, fmt.Errorf("replace the master key: %w", err)
	}
	return LoadOrCreate(path)
}

// EndRotation forgets the old key of a file.
func EndRotation(path string) error {
	if err := os.Remove(path + previousFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the old master key: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

func load(path string) (*MasterKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the master key in %s can be read by others (mode %o): run chmod 600 on it, and replace it if they did", path, mode)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator's choice
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	key, err := ParseMasterKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// create writes a new key, never over another.
func create(path string) error {
	dir := filepath.Dir(path)
	// The folder may hold a database that another user runs, who must pass.
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the key itself is 0600
		return err
	}
	secret := make([]byte, masterKeyBytes)
	_, _ = rand.Read(secret) // never fails
	file, err := write(dir, secret)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file) }()
	return os.Link(file, path)
}

// replace writes a key over another, so that the file is always one of the two.
func replace(path string, secret []byte) error {
	dir := filepath.Dir(path)
	file, err := write(dir, secret)
	if err != nil {
		return err
	}
	if err := os.Rename(file, path); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return syncFolder(dir)
}

// write puts the whole key into a file without a name to speak of.
func write(dir string, secret []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".master-key-") // 0600
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(secret))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncFolder makes names that changed survive a crash of the machine.
func syncFolder(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

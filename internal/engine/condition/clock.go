package condition

import "time"

// Times lie in the years from minYear up to, without, maxYear, where a count
// of nanoseconds fits 64 bits.
const (
	minYear = 1678
	maxYear = 2262
)

// IsTime reports whether s is a time as conditions compare it.
func IsTime(s string) bool {
	_, ok := parseTime(s)
	return ok
}

// parseTime reads an RFC 3339 time with an upper-case T and Z, at most nine
// digits of a second and no leap second, and returns nanoseconds since 1970. It
// is stricter than time.Parse so that any implementation can agree with it.
func parseTime(s string) (ns int64, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	hour, ok4 := digits(s[11:13])
	minute, ok5 := digits(s[14:16])
	second, ok6 := digits(s[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return 0, false
	}
	if year < minYear || year >= maxYear || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	fraction, rest, ok := parseFraction(s[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, fraction, time.UTC)
	return t.Unix()*int64(time.Second) + int64(fraction) - int64(offset)*int64(time.Minute), true
}

// parseFraction reads an optional .123 and returns nanoseconds.
func parseFraction(s string) (ns int, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	i := 1
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		ns = ns*10 + int(s[i]-'0')
		if i > 9 {
			return 0, "", false
		}
	}
	if i == 1 {
		return 0, "", false
	}
	for range 10 - i {
		ns *= 10
	}
	return ns, s[i:], true
}

// parseOffset reads Z or +02:00 and returns minutes.
func parseOffset(s string) (minutes int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	n, ok := parseClock(s[1:])
	if s[0] == '-' {
		n = -n
	}
	return n, ok
}

// parseClock reads HH:MM and returns the minute of the day.
func parseClock(s string) (minute int, ok bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	h, ok1 := digits(s[0:2])
	m, ok2 := digits(s[3:5])
	return h*60 + m, ok1 && ok2 && h < 24 && m < 60
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// weekday returns 0 for "sun" to 6 for "sat".
func weekday(s string) (time.Weekday, bool) {
	switch s {
	case "sun":
		return time.Sunday, true
	case "mon":
		return time.Monday, true
	case "tue":
		return time.Tuesday, true
	case "wed":
		return time.Wednesday, true
	case "thu":
		return time.Thursday, true
	case "fri":
		return time.Friday, true
	case "sat":
		return time.Saturday, true
	default:
		return 0, false
	}
}

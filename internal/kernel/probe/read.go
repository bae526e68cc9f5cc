package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxReport is the size of the largest report that ReadReport takes, in bytes.
const maxReport = 1 << 20

// ReadReport reads what WriteJSON wrote, on this machine or another. Fields that this version does not know are left out.
func ReadReport(r io.Reader) (Report, error) {
	var report Report
	text, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return report, fmt.Errorf("read kernel facts: %w", err)
	}
	if len(text) > maxReport {
		return report, fmt.Errorf("read kernel facts: more than %d bytes", maxReport)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return report, fmt.Errorf("read kernel facts: %w", err)
	}
	if report.Kernel == "" || len(report.Mechanisms) == 0 {
		return report, errors.New("read kernel facts: it names no kernel or no mechanisms")
	}
	return report, nil
}

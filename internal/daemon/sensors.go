//go:build linux

package daemon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/sensor/file"
	"github.com/stockade-security/stockade/internal/sensor/library"
	"github.com/stockade-security/stockade/internal/sensor/network"
	"github.com/stockade-security/stockade/internal/sensor/process"
	"github.com/stockade-security/stockade/internal/sensor/syscall"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

// sensors lists every sensor there is. The process sensor comes first: the process table lives on it.
func sensors(o system.Options) []*kernel.Sensor {
	return []*kernel.Sensor{
		process.New(),
		file.New(),
		network.New(),
		system.New(o),
		library.New(),
		syscall.New(),
	}
}

func sensorNames() []string {
	var names []string
	for _, s := range sensors(system.Options{}) {
		names = append(names, s.Name)
	}
	return names
}

// pick returns the named sensors, for none all but those on request, and always the process sensor.
func pick(names []string, o system.Options) ([]*kernel.Sensor, error) {
	all := sensors(o)
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(s *kernel.Sensor) bool { return s.OnRequest }), nil
	}
	for _, name := range names {
		if !slices.Contains(sensorNames(), name) {
			return nil, fmt.Errorf("no sensor %q; there are %s", name, strings.Join(sensorNames(), ", "))
		}
	}
	return slices.DeleteFunc(all, func(s *kernel.Sensor) bool {
		return s.Name != "process" && !slices.Contains(names, s.Name)
	}), nil
}

// PlanSensors says how each sensor would observe here in a guard that is asked for none in particular.
func PlanSensors() ([]api.Sensor, error) {
	usual, err := pick(nil, system.Options{})
	if err != nil {
		return nil, err
	}
	attached, err := kernel.Plan(probe.Trampolines(), usual)
	if err != nil {
		return nil, err
	}
	return rungs(attached), nil
}

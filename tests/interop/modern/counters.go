package main

import (
	"encoding/csv"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// logCounters appends a line of all counters to the file every period seconds; the last part of
// the path is a pattern of the time (kcptun wire, 9.2).
func logCounters(path string, period int) {
	if path == "" || period <= 0 {
		return
	}
	for now := range time.Tick(time.Duration(period) * time.Second) {
		folder, name := filepath.Split(path)
		if err := appendCounters(folder+now.Format(name), now); err != nil {
			log.Println("snmplog:", err)
			return
		}
	}
}

func appendCounters(path string, now time.Time) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := csv.NewWriter(file)
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		lines.Write(append([]string{"Unix"}, kcp.DefaultSnmp.Header()...))
	}
	unix := strconv.FormatInt(now.Unix(), 10)
	lines.Write(append([]string{unix}, kcp.DefaultSnmp.ToSlice()...))
	lines.Flush()
	return lines.Error()
}

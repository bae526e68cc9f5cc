package api

import (
	"encoding/json"
	"net/http"
)

// Code is what a program can rely on in an error answer.
type Code string

// The codes; there are no others.
const (
	CodeBadRequest       Code = "bad_request"
	CodeForbidden        Code = "forbidden"
	CodeNotFound         Code = "not_found"
	CodeMethodNotAllowed Code = "method_not_allowed"
	CodeInternal         Code = "internal"
)

// Codes lists every code once.
func Codes() []Code {
	return []Code{CodeBadRequest, CodeForbidden, CodeNotFound, CodeMethodNotAllowed, CodeInternal}
}

// Problem is an error answer, application/problem+json (RFC 9457), and on the client's side an error.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   Code   `json:"code"`
	Detail string `json:"detail"`
	// Advice says what to do about it.
	Advice string `json:"hint,omitempty"`
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// Hint returns the advice.
func (p *Problem) Hint() string { return p.Advice }

// httpStatus is the one place where a code becomes a status.
func (c Code) httpStatus() int {
	switch c {
	case CodeBadRequest:
		return http.StatusBadRequest
	case CodeForbidden:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	}
	return http.StatusInternalServerError
}

func problem(w http.ResponseWriter, code Code, detail, hint string) {
	status := code.httpStatus()
	answer(w, status, "application/problem+json", &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Advice: hint,
	})
}

// answer sends body as JSON. An error here is the client's going away, which concerns nobody else.
func answer(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"status":500,"code":"internal","detail":"encode answer"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

package webservice

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
	"smtpreceiver/core/sms"
)

var (
	// field is a place for a value: {number}, {gsm:0|2}, {env:NAME}.
	field        = regexp.MustCompile(`\{([a-z]+)(?::([^{}]*))?\}`)
	variable     = regexp.MustCompile(`\{env:[^{}]*\}`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// madeHere are header fields that net/http makes.
var madeHere = []string{"Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade", "Expect"}

// request is what of a section with target http makes a request.
type request struct {
	method, url, proxy   string
	headers, query       map[string]string
	form, multipart      map[string]string
	json                 *config.Tree
	idempotencyHeader    string
	sms                  bool // the text is one, and is cut to what it may cost
	maxParts             int
	usesText, usesNumber bool
}

// Asks tells what a section whose requests are sound asks of others: the text of a job
// as plain text; a way to the service on which everyone may read.
func Asks(c *config.Consumer, app *config.Application) (plainText, inClear bool) {
	r, problems := newRequest(c, app)
	sound := len(problems) == 0
	return sound && r.usesText, sound && r.inClear()
}

func newRequest(c *config.Consumer, app *config.Application) (r request, problems config.Problems) {
	r = request{
		method: c.Method, url: c.URL, proxy: c.Proxy, headers: c.Headers, query: c.Query, form: c.Form, multipart: c.Multipart, json: c.JSON,
		idempotencyHeader: c.Idempotency, sms: app.CTLType == "sms", maxParts: app.MaxParts,
	}
	add := func(key, format string, args ...any) {
		problems.Add(key, fmt.Sprintf(format, args...), "")
	}
	if c.URL != "" {
		if err := addressable(c.URL); err != nil {
			add("url", "%v", err)
		}
	}
	if field.MatchString(variable.ReplaceAllString(c.URL+c.Proxy, "")) {
		add("url", "only {env:NAME} may stand there: give what the mail says in query, form, json or multipart")
	}
	bodies := 0
	for _, set := range []bool{len(c.Form) > 0, c.JSON != nil, len(c.Multipart) > 0} {
		if set {
			bodies++
		}
	}
	switch {
	case bodies > 1:
		add("json", "there is more than one body: keep one of form, json and multipart")
	case bodies > 0 && c.Method == http.MethodGet:
		add("method", "GET has no body: use query, or another method")
	case bodies == 0 && len(c.Query) == 0:
		add("json", "nothing of the job is sent: set one of form, json, multipart and query")
	}
	for name := range c.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			add("headers", "%q is no name of a header field", name)
		case slices.Contains(madeHere, http.CanonicalHeaderKey(name)):
			add("headers", "%s is made by the program: remove it", name)
		}
	}
	if c.Idempotency != "" && !httpguts.ValidHeaderFieldName(c.Idempotency) {
		add("idempotency_header", "%q is no name of a header field", c.Idempotency)
	}
	r.values(func(key string, err error) { problems.Add(key, err.Error(), "") })
	return r, problems
}

// addressable checks an address; environment variables stand for parts of it.
func addressable(address string) error {
	u, err := url.Parse(variable.ReplaceAllString(address, "x"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("it is no address of a service: write it as https://sms.example.com/send")
	}
	return nil
}

// inClear tells a service beyond this machine and its network that is reached
// without TLS.
func (r *request) inClear() bool {
	u, err := url.Parse(variable.ReplaceAllString(r.url, "x"))
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil && strings.Contains(u.Hostname(), ".") || err == nil && !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
}

// values checks each value, and notes what of the job they need.
func (r *request) values(refuse func(key string, err error)) {
	note := func(key, value string, attachmentsToo bool) {
		if err := r.value(value, attachmentsToo); err != nil {
			refuse(key, err)
		}
	}
	for key, values := range map[string]map[string]string{"headers": r.headers, "query": r.query, "form": r.form, "multipart": r.multipart} {
		for name, value := range values {
			note(key+"."+name, value, key == "multipart")
		}
	}
	var walk func(key string, t *config.Tree)
	walk = func(key string, t *config.Tree) {
		for i := range t.Object {
			walk(key+"."+t.Object[i].Name, &t.Object[i].Value)
		}
		for i := range t.List {
			walk(config.KeyIndex(key, i), &t.List[i])
		}
		if t.Text != nil {
			note(key, *t.Text, true)
		}
	}
	if r.json != nil {
		walk("json", r.json)
	}
	for key, address := range map[string]string{"url": r.url, "proxy": r.proxy} {
		note(key, strings.Join(variable.FindAllString(address, -1), ""), false)
	}
}

func (r *request) value(value string, attachmentsToo bool) error {
	if value == fields.Attachments && attachmentsToo {
		return nil
	}
	for _, m := range field.FindAllStringSubmatch(value, -1) {
		name, argument := m[1], m[2]
		switch {
		case m[0] == fields.Attachments && attachmentsToo:
			return errors.New("{attachments} must be the whole value")
		case m[0] == fields.Attachments:
			return errors.New("attachments go by multipart, and their names by json")
		case name == "env" && !variableName.MatchString(argument):
			return fmt.Errorf("%s is no environment variable: write {env:SMS_TOKEN}", m[0])
		case choices[name] != nil && strings.Count(argument, "|") != 1:
			return fmt.Errorf("write {%[1]s:A|B}, A if %[1]s holds and B if not", name)
		case name == "env", choices[name] != nil:
		case argument != "", jobFields[name] == nil:
			return fmt.Errorf("there is no %s", m[0])
		}
		r.usesText = r.usesText || name == "text" || name == "parts" || name == "hex" || name == "gsm"
		r.usesNumber = r.usesNumber || name == "number" || name == "digits"
	}
	return nil
}

// content is what of a job goes into a request.
type content struct {
	*consume.Job
	number, text string
	parts        sms.Parts
}

// jobFields are the values of a job by the names that stand for them.
var jobFields = map[string]func(*content) string{
	"number":  func(c *content) string { return c.number },
	"digits":  func(c *content) string { return strings.TrimPrefix(c.number, "+") },
	"text":    func(c *content) string { return c.text },
	"hex":     func(c *content) string { return hex.EncodeToString(sms.Encode(c.text)) },
	"parts":   func(c *content) string { return strconv.Itoa(c.parts.Count) },
	"name":    func(c *content) string { return c.Name },
	"subject": func(c *content) string { return c.Subject },
	"from":    func(c *content) string { return c.FromSMTP },
	"id":      func(c *content) string { return c.ID },
	"app":     func(c *content) string { return c.App },
	"key":     func(c *content) string { return c.Key },
}

// choices are what is so or not of a job.
var choices = map[string]func(*content) bool{
	"gsm":    func(c *content) bool { return c.parts.Alphabet == sms.GSM7 },
	"report": func(c *content) bool { return c.Report == "1" },
	"flash":  func(c *content) bool { return c.Flash == "1" },
}

// fill puts the values into a text. What a value holds is never filled again.
func (c *content) fill(text string) string {
	return field.ReplaceAllStringFunc(text, func(place string) string {
		m := field.FindStringSubmatch(place)
		name, argument := m[1], m[2]
		switch is := choices[name]; {
		case name == "env":
			return os.Getenv(argument)
		case is == nil:
			return jobFields[name](c)
		case is(c):
			yes, _, _ := strings.Cut(argument, "|")
			return yes
		default:
			_, no, _ := strings.Cut(argument, "|")
			return no
		}
	})
}

// content reads what the request needs of a job.
func (r *request) content(j *consume.Job) (c *content, err error) {
	c = &content{Job: j, number: j.Number}
	if r.usesNumber {
		check := fields.Fax
		if r.sms {
			check = fields.Phone
		}
		if c.number, err = check(j.Number); err != nil {
			return nil, err
		}
	}
	if !r.usesText {
		return c, nil
	}
	text, err := fields.Text(j)
	if err != nil {
		return nil, err
	}
	c.text = sms.Plain(text)
	if r.sms {
		if c.text, err = fields.Limit(j, c.text, r.maxParts); err != nil {
			return nil, err
		}
	}
	c.parts = sms.Count(c.text)
	return c, nil
}

// make makes the request for a job. Its body is to be closed.
func (r *request) make(ctx context.Context, j *consume.Job) (*http.Request, error) {
	if missing := r.unset(); len(missing) > 0 {
		return nil, fmt.Errorf("the environment variable %s is not set: give it to the consumer", strings.Join(missing, ", "))
	}
	c, err := r.content(j)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(fromEnvironment(r.url))
	if err != nil {
		return nil, fmt.Errorf("url with its environment variables: %w", plainURL(err))
	}
	if len(r.query) > 0 {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+filled(c, r.query).Encode(), "&")
	}
	b, err := r.body(c)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		return nil, errors.Join(plainURL(err), b.Close())
	}
	req.Body, req.ContentLength = b, b.size
	if b.size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("User-Agent", "smtpreceiver")
	for name, value := range r.headers {
		req.Header.Set(name, headerValue(c.fill(value)))
	}
	req.Host = cmp.Or(req.Header.Get("Host"), u.Host)
	if b.kind != "" && (req.Header.Get("Content-Type") == "" || len(r.multipart) > 0) {
		req.Header.Set("Content-Type", b.kind)
	}
	if r.idempotencyHeader != "" {
		req.Header.Set(r.idempotencyHeader, j.Key)
	}
	return req, nil
}

func filled(c *content, values map[string]string) url.Values {
	out := url.Values{}
	for name, value := range values {
		out.Set(name, c.fill(value))
	}
	return out
}

// headerValue is one line of ASCII (RFC 2047 where it was not).
func headerValue(value string) string {
	return mime.QEncoding.Encode("utf-8", strings.TrimSpace(fields.OneLine(strings.ToValidUTF8(value, "?"))))
}

// fromEnvironment puts environment variables into an address.
func fromEnvironment(address string) string {
	return variable.ReplaceAllStringFunc(address, func(place string) string {
		return strings.ReplaceAll(url.QueryEscape(os.Getenv(field.FindStringSubmatch(place)[2])), "+", "%20")
	})
}

// variables are the environment variables that the request needs.
func (r *request) variables() []string {
	names := map[string]bool{}
	note := func(text string) bool {
		for _, place := range variable.FindAllString(text, -1) {
			names[field.FindStringSubmatch(place)[2]] = true
		}
		return false
	}
	for _, values := range []map[string]string{r.headers, r.query, r.form, r.multipart, {"url": r.url, "proxy": r.proxy}} {
		for _, value := range values {
			note(value)
		}
	}
	if r.json != nil {
		r.json.Any(note)
	}
	return slices.Sorted(maps.Keys(names))
}

// unset are those of them that the consumer does not have.
func (r *request) unset() []string {
	return slices.DeleteFunc(r.variables(), func(name string) bool { return os.Getenv(name) != "" })
}

// secrets are what no error may hold, the longest first.
func (r *request) secrets() []string {
	var all []string
	add := func(value string) {
		asJSON, _ := json.Marshal(value) // a string can be
		all = append(all, value, url.QueryEscape(value), url.PathEscape(value), string(asJSON[1:len(asJSON)-1]))
	}
	for _, name := range r.variables() {
		add(os.Getenv(name))
	}
	for name, value := range r.headers {
		if strings.Contains(strings.ToLower(name), "auth") && !field.MatchString(value) {
			add(value)
		}
	}
	if u, err := url.Parse(fromEnvironment(r.url)); err == nil && u.User != nil {
		if password, set := u.User.Password(); set {
			add(password)
			all = append(all, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))) // as net/http sends it
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return slices.DeleteFunc(all, func(s string) bool { return s == "" }) // it stands between any two characters
}

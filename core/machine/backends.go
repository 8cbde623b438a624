package machine

import (
	"errors"
	"log/slog"
	"reflect"

	"smtpreceiver/core/auth"
	"smtpreceiver/core/config"
	"smtpreceiver/core/match"
	"smtpreceiver/core/senders"
	"smtpreceiver/core/senders/row"
)

// Backends are asked who logs in and what a sender may.
type Backends struct {
	Auth    *auth.Authenticator
	Senders *senders.Table // nil: senders have no rights of their own

	settings *config.Settings
}

// Open readies the backends of s. Where nothing has changed those of old go on, with
// what they remember: who failed, who may send. old may be nil.
func Open(s *config.Settings, old *Backends, log *slog.Logger) (b *Backends, err error) {
	b = &Backends{settings: s}
	if old != nil && s.Authentication == old.settings.Authentication {
		b.Auth = old.Auth
	} else if b.Auth, err = authenticator(s, log); err != nil {
		return nil, err
	}
	if old != nil && reflect.DeepEqual(s.Senders, old.settings.Senders) {
		b.Senders = old.Senders
	} else if b.Senders, err = Senders(s, log); err != nil {
		b.CloseBut(old, log)
		return nil, err
	}
	return b, nil
}

// CloseBut closes the backends that others, which may be nil, do not use.
func (b *Backends) CloseBut(others *Backends, log *slog.Logger) {
	if others == nil || b.Auth != others.Auth {
		if err := b.Auth.Close(); err != nil {
			log.Warn("closing the authentication backend", "error", err.Error())
		}
	}
	if others == nil || b.Senders != others.Senders {
		if err := b.Senders.Close(); err != nil {
			log.Warn("closing the table of senders", "error", err.Error())
		}
	}
}

// Senders readies the table of senders, nil where there is none.
func Senders(s *config.Settings, log *slog.Logger) (*senders.Table, error) {
	c := s.Senders
	return senders.New(senders.Options{
		Backend: c.Backend, File: c.File,
		Driver: c.Driver, DSN: c.DSN, Query: c.Query,
		URL: c.URL, BaseDN: c.BaseDN, Filter: c.Filter, Attributes: c.Attributes, StartTLS: c.StartTLS, BindDN: c.BindDN, BindPassword: c.BindPassword,
		Timeout: c.Timeout, Cache: c.Cache,
	}, numberRule, log)
}

// numberRule readies a numbers_allowed of a sender.
func numberRule(expression string) (row.Numbers, error) {
	e, err := match.Compile(expression)
	if err != nil {
		return nil, err
	}
	return e.Match, nil
}

// CheckSenders lists what is wrong with the section senders.
func CheckSenders(s *config.Settings) config.Problems {
	t, err := Senders(s, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Close()
		return nil
	}
	return sectionProblems("senders", err, func(e error) (option string) {
		if of, is := errors.AsType[*senders.OptionError](e); is {
			option = of.Option
		}
		return option
	})
}

// checkAuthentication lists what is wrong with the section authentication.
func checkAuthentication(s *config.Settings) config.Problems {
	a, err := authenticator(s, slog.New(slog.DiscardHandler))
	if err == nil {
		a.Close()
		return nil
	}
	return sectionProblems("authentication", err, func(e error) (option string) {
		if of, is := errors.AsType[*auth.OptionError](e); is {
			option = of.Option
		}
		return option
	})
}

// sectionProblems are the errors of a section; option is the key below it that one
// is about, "" for none.
func sectionProblems(section string, err error, option func(error) string) (problems config.Problems) {
	for _, e := range config.Errors(err) {
		key := section
		if name := option(e); name != "" {
			key += "." + name
		}
		problems.Add(key, e.Error(), "")
	}
	return problems
}

func authenticator(s *config.Settings, log *slog.Logger) (*auth.Authenticator, error) {
	a := s.Authentication
	return auth.New(auth.Options{
		Backend: a.Backend, UsersFile: a.UsersFile,
		Driver: a.Driver, DSN: a.DSN, Query: a.Query,
		URL: a.URL, BaseDN: a.BaseDN, Filter: a.Filter, Attribute: a.Attribute, StartTLS: a.StartTLS, BindDN: a.BindDN, BindPassword: a.BindPassword,
		Timeout: a.Timeout, MaxFailures: a.MaxFailures, FailureWindow: a.FailureWindow,
	}, log)
}

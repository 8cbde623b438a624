package config

import (
	"strings"
	"testing"
)

// TestChangedDefaults: a key whose default has changed is named where that matters,
// until it is set.
func TestChangedDefaults(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		minimal + "    process_attachments: 1\nconsume: {fax: {target: hylafax}}":                                                                  "default_charset applications.fax.inline_pictures consume.fax.skip_unknown",
		minimal + "    enabled: 0\n    process_attachments: 1\nforward_smtp_server: a\ndefault_charset: utf-8\n":                                   "",
		minimal + "  sms: {output_folder: /x, ctl_type: sms, addresses: a}\ndefault_charset: utf-8":                                                "applications.sms.max_parts",
		minimal + "  sms: {output_folder: /x, ctl_type: sms, addresses: a, max_parts: 10}\ndefault_charset: utf-8":                                 "",
		minimal + "  sms: {output_folder: /x, ctl_type: sms, addresses: a, enabled: 0}\ndefault_charset: utf-8":                                    "",
		minimal + "default_charset: utf-8\nconsume: {fax: {target: smstools, target_folder: /x}}":                                                  "",
		minimal + "default_charset: utf-8\nconsume: {fax: {target: hylafax, skip_unknown: 1}}":                                                     "",
		minimal + "    inline_pictures: 0\n    process_attachments: 1\ndefault_charset: utf-8\nconsume: {fax: {target: hylafax, skip_unknown: 0}}": "",
	} {
		var keys []string
		for _, warning := range mustParse(t, "yaml", data).ChangedDefaults() {
			key, _, _ := strings.Cut(warning, ": not set: ")
			keys = append(keys, key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s\nwarns of %q, want %q", data, got, want)
		}
	}
}

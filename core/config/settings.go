package config

import "time"

// Settings is the whole configuration, typed and defaulted. Maps keep the case
// the administrator wrote. It is not changed after Load; a reload makes a new
// one.
type Settings struct {
	SMTPIPAddress           string        `key:"smtp_ip_address" start:"next" section:"Listening" doc:"Standalone: the IP address to listen on. Empty: all addresses."`
	SMTPPort                int           `key:"smtp_port" start:"next" default:"25" min:"0" max:"65535" doc:"Standalone: the TCP port to listen on. 0 takes any free port, which only tests want."`
	ThreadNum               int           `key:"thread_num" default:"5" min:"1" max:"100000" doc:"Standalone: SMTP connections served at once; LMTP has as many of its own. One more waits for its greeting until a place is free, socket_timeout at most, then it is answered 421 4.3.2. Clients on no list that may log in have as many places of their own, and an address of forward_smtp_server does not wait."`
	MaxWaiting              int           `key:"max_waiting" default:"1000" min:"0" max:"100000" doc:"Standalone: connections that may wait for a place; at most half of them from one client. One more is answered 421 4.3.2 at once."`
	MaxConnectionsPerClient int           `key:"max_connections_per_client" default:"0" min:"0" max:"100000" doc:"Standalone: connections that one client may hold, those that wait among them; one more is answered 421 4.7.0 at once. With IPv6 a client is a /64. 0: no limit."`
	ThreadPriority          int           `key:"thread_priority" start:"next" default:"0" oneof:"0|-1|-2|-15" doc:"0 normal, -1 lower, -2 low, -15 idle; on Unix nice 0, 5, 10 and 19."`
	SocketTimeout           time.Duration `key:"socket_timeout" default:"60s" min:"1s" max:"24h" doc:"Time limit of each single read and write on a connection."`
	Hostname                string        `key:"hostname" doc:"This host's name in the greeting, in Received headers and in the log. Empty: the name the machine has."`
	Clients                 []string      `key:"clients" doc:"Who may connect: host names, addresses, CIDR, ranges a-b; an entry may hold several separated by commas. Empty: nobody, except who is on the list of an application."`
	ProxyProtocolFrom       []string      `key:"proxy_protocol_from" doc:"Standalone: proxies such as HAProxy, as in clients, that begin each connection with a PROXY protocol header (version 1 or 2); the lists then see the client it names. One of them without a header is closed, and so is anybody else with one. Empty: nobody."`

	ForwardSMTPServer     string `key:"forward_smtp_server" section:"Forwarding" doc:"Standalone: the server that gets the mail no application takes; several, separated by commas, are tried in order. Empty: such mail is refused."`
	ForwardSMTPServerPort int    `key:"forward_smtp_server_port" default:"25" min:"1" max:"65535" doc:"Port of the forward server."`
	ForwardTLS            string `key:"forward_tls" default:"none" oneof:"none|opportunistic|required|implicit" doc:"TLS towards the forward server: none, opportunistic (when offered), required (STARTTLS), implicit (TLS from the first byte). The last two check the certificate."`
	ForwardUsername       string `key:"forward_username" doc:"User name for the forward server. Empty: no authentication."`
	ForwardPassword       string `key:"forward_password" secret:"value" doc:"Password for the forward server. Better given by environment than in a file others can read."`
	ForwardClientCertFile string `key:"forward_client_cert_file" doc:"Certificate in PEM, the chain after it, that is shown to a forward server which asks for one, as a connector of Microsoft 365 does. It is read at each connection. Empty: none."`
	ForwardClientKeyFile  string `key:"forward_client_key_file" secret:"file" doc:"Private key of that certificate, in PEM."`

	NumberRegion   string                       `key:"number_region" doc:"Country of the numbers that users write without a country code, by ISO 3166: CZ, DE, GB. Numbers are then completed to +country code and number before rules see them, and the CTL has that. Empty: rules and consumers see digits and '+' as written, without blanks, '-', '.', '/' and brackets."`
	OutputCodePage string                       `key:"output_code_page" section:"Output" default:"cp1250" required:"true" doc:"Code page of the CTL and text files: an IANA name, cpNNNN or utf-8."`
	DefaultCharset string                       `key:"default_charset" doc:"How text is read that declares no character set, is not UTF-8, and stands in a mail that declares none elsewhere. Empty: as output_code_page if that has one byte a character, else windows-1252."`
	CTLLayout      map[string]string            `key:"ctl_layout" doc:"Renames CTL keys: section/key to another section/key, or to an empty string to leave the key out."`
	Tags           map[string]map[string]string `key:"tags" doc:"Sets of @commands: set, then command, then section|key (the user's value) or section|key|value (a fixed one). The sets mobilchange and faxchange are built in."`
	StateDirectory string                       `key:"state_directory" start:"next" default:"/var/lib/smtpreceiver" required:"true" doc:"Folder of the message number counter, and for a while of what is unpacked from archives."`
	IDAllocated    uint64                       `key:"id_allocated" start:"next" default:"0" doc:"Floor for message numbers: the first one used is greater. The last number used is kept in state_directory."`
	Instance       string                       `key:"instance" start:"next" doc:"Prefix of file names where several hosts share an output folder or a queue: letters, digits and '-', at most 16. Each host has its own. Empty: no prefix."`

	LogConsole      string `key:"log_console" section:"Logging" default:"EWI" letters:"EWIT" doc:"What is logged on the console, by letter: E error, W warning, I info, T trace."`
	LogEventLog     string `key:"log_event_log" default:"EW" letters:"EWIT" doc:"The same for the event log: syslog or journald on Unix, the Event Log on Windows."`
	LogFile         string `key:"log_file" default:"EWI" letters:"EWIT" doc:"The same for the file of logging_file_name."`
	LoggingFileName string `key:"logging_file_name" doc:"Log file with full path; smtp.log becomes smtp_YYMMDD.log, a new one each day. Empty: no file."`
	LogKeepDays     int    `key:"log_keep_days" default:"0" min:"0" max:"36500" doc:"Days after which old log files are removed. 0: they are kept for ever."`
	LogRcvData      bool   `key:"log_rcv_data" default:"0" doc:"Log received message data too; needs T in one of the log levels."`

	MaxMessageSize     int64         `key:"max_message_size" section:"Limits" default:"50MiB" type:"size" min:"1KiB" max:"1TiB" doc:"Largest message; past it 552 5.3.4."`
	MaxRecipients      int           `key:"max_recipients" default:"1000" min:"1" max:"1000000" doc:"Recipients of one message; past it 452 4.5.3."`
	MaxMIMEDepth       int           `key:"max_mime_depth" default:"50" min:"1" max:"1000" doc:"Nesting of MIME parts; what lies deeper is kept as one opaque attachment."`
	MaxMIMEParts       int           `key:"max_mime_parts" default:"1000" min:"1" max:"1000000" doc:"MIME parts of one message; the rest is kept as one opaque attachment."`
	MaxHeaderSize      int64         `key:"max_header_size" default:"1MiB" type:"size" min:"1KiB" max:"1GiB" doc:"Size of the message header; past it 552 5.3.4."`
	MaxHeaderFields    int           `key:"max_header_fields" default:"1000" min:"50" max:"10000" doc:"Fields of the message header; past it 552 5.3.4. A field takes some 500 bytes of memory while the message is read."`
	MaxHops            int           `key:"max_hops" default:"50" min:"1" max:"1000" doc:"Received headers before a message counts as looping; past it 554 5.4.6."`
	MaxFilesPerMessage int           `key:"max_files_per_message" default:"10000" min:"2" max:"1000000" doc:"Files that the jobs of one message may have, recipients times (2 + attachments); past it 552 5.3.4."`
	TransactionTimeout time.Duration `key:"transaction_timeout" default:"10m" min:"1s" max:"24h" doc:"Standalone: time limit of the whole of DATA; past it 421 4.4.2."`
	MemoryPerMessage   int64         `key:"memory_per_message" default:"256KiB" type:"size" min:"4KiB" max:"1GiB" doc:"How large a message is held in memory; a larger one waits in a temporary file next to the spool."`
	MinFreeSpace       uint64        `key:"min_free_space" default:"100MiB" type:"size" doc:"Free space the file system of an output folder must have, and that of state_directory where archives are unpacked or queue.servers is set; below it 452 4.3.1, and the milter tempfails what it would divert. 0: not checked."`
	BareNewlines       string        `key:"bare_newlines" default:"reject" oneof:"reject|accept" doc:"Messages with a bare CR or LF: reject (550 5.5.2) or accept. Accepting them opens the way to SMTP smuggling."`
	DSNOffer           string        `key:"dsn_offer" default:"auto" oneof:"auto|reader|off" doc:"Standalone: whether clients may ask for reports (the DSN extension, RFC 3461): auto, if every application is handed on by consume with reports on; reader, always, since what reads the folders keeps the promise; off, never."`
	ShutdownTimeout    time.Duration `key:"shutdown_timeout" default:"30s" min:"0s" max:"24h" doc:"How long running transactions may take to finish when the program is stopped."`

	Authentication Authentication `key:"authentication" section:"Authentication"`
	Senders        Senders        `key:"senders" section:"Senders"`

	TLS     TLS     `key:"tls" section:"TLS"`
	LMTP    LMTP    `key:"lmtp" section:"LMTP"`
	Milter  Milter  `key:"milter" section:"Milter"`
	Metrics Metrics `key:"metrics" section:"Metrics"`
	Reports Reports `key:"reports" section:"Reports"`
	Queue   Queue   `key:"queue" section:"Beyond one machine"`

	given map[string]bool // keys that the file or the environment sets

	Applications map[string]*Application `key:"applications"`
	Consume      map[string]*Consumer    `key:"consume"`

	// Files are those that were read: the main one, then those of conf.d.
	Files  []string
	places map[string]place
}

// Authentication holds the keys of the section authentication: who may use the
// standalone listener without being on a list of clients. A key with the tag
// backend is of that one alone; with the tag missing, which says how to write
// it, that one needs it.
type Authentication struct {
	Backend         string        `key:"backend" default:"none" oneof:"none|file|sql|ldap" doc:"Standalone: where user names and passwords are checked; none: clients cannot authenticate. A user name is the sender's address."`
	AllowPlaintext  bool          `key:"allow_plaintext" default:"0" doc:"Offer authentication without TLS too, where passwords can be read on the way."`
	SenderMustMatch bool          `key:"sender_must_match" default:"1" doc:"The envelope sender of an authenticated client must be its user name; the null sender is refused."`
	MaxFailures     int           `key:"max_failures" default:"5" min:"1" max:"1000" doc:"Failed logins from one address within failure_window; past it 421 4.7.0 for the rest of the window."`
	FailureWindow   time.Duration `key:"failure_window" default:"10m" min:"1s" max:"24h" doc:"How long a failed login counts."`
	Timeout         time.Duration `key:"timeout" default:"10s" min:"1s" max:"10m" doc:"Time limit of one login at the backend; past it 454 4.7.0."`
	UsersFile       string        `key:"users_file" secret:"file" backend:"file" missing:"name the file, whose lines are name:hash" doc:"Backend file: lines name:hash with bcrypt, argon2id or SHA-crypt, as hash-password prints; names count letter for letter. Read anew when it changes."`
	Driver          string        `key:"driver" backend:"sql" missing:"write one of: postgres, mysql, sqlite" doc:"Backend sql: postgres, mysql (MariaDB too) or sqlite."`
	DSN             string        `key:"dsn" secret:"value" backend:"sql" missing:"say where the database is, as the driver writes it" doc:"Backend sql: the database, as the driver writes it; for sqlite the path of its file. Better given by environment if it holds a password."`
	Query           string        `key:"query" backend:"sql" missing:"write the query for name and hash, for example SELECT name, hash FROM users WHERE name = ? (for postgres $1)" doc:"Backend sql: returns name and hash of a user, such as SELECT name, hash FROM users WHERE name = ?; one placeholder for the name, $1 for postgres, else ?. The name it returns counts in rules, quotas and CTL files, however it was typed. A query for the hash alone must compare names byte for byte; for mysql it is made to."`
	URL             string        `key:"url" backend:"ldap" missing:"write ldap://host or ldaps://host" doc:"Backend ldap: ldap://host[:port] or ldaps://host[:port]. The certificate must be of that host and from an authority this machine trusts."`
	BaseDN          string        `key:"base_dn" backend:"ldap" missing:"say where users are, for example ou=people,dc=example,dc=com" doc:"Backend ldap: where users are searched."`
	Filter          string        `key:"filter" backend:"ldap" missing:"say how users are found, for example (mail=%s)" doc:"Backend ldap: finds the user, such as (mail=%s); %s stands for the name."`
	Attribute       string        `key:"attribute" backend:"ldap" doc:"Backend ldap: the attribute that holds the user's name, which counts in rules, quotas and CTL files, however it was typed. Empty: the first one that filter compares with it."`
	StartTLS        bool          `key:"start_tls" backend:"ldap" default:"0" doc:"Backend ldap: encrypt ldap:// connections."`
	BindDN          string        `key:"bind_dn" backend:"ldap" doc:"Backend ldap: account for the search. Empty: anonymous."`
	BindPassword    string        `key:"bind_password" secret:"value" backend:"ldap" doc:"Backend ldap: its password."`
}

// Senders holds the keys of the section senders: where it stands what each sender
// may do. Its tags are those of Authentication.
type Senders struct {
	Backend      string            `key:"backend" default:"none" oneof:"none|file|sql|ldap" doc:"Where it stands what each sender may do, and what else is known of it. A client that has authenticated is looked up by its user name, any other by the envelope sender, in small letters. The columns: name, the sender as it counts; allowed (1, 0 or names of applications; empty: 1); numbers_allowed, a regular expression as in applications.<name>.numbers_allowed, which holds too; max_parts, the most SMS of one text; max_jobs, jobs an hour. Further columns, such as caller_id, are the item sender['caller_id'] of templates and from/caller_id of the CTL. While it cannot be asked, recipients of ours get 451 4.3.0. none: senders have no rights of their own."`
	Unknown      string            `key:"unknown" default:"refuse" oneof:"refuse|allow" doc:"A sender that has no row: refuse it (550 5.7.1), or allow what the applications' own rules allow. The null sender has no row; process_anonymous rules it."`
	Cache        time.Duration     `key:"cache" default:"1m" min:"0s" max:"1h" doc:"How long an answer counts, also that there is no row. 0: each mail asks."`
	Timeout      time.Duration     `key:"timeout" default:"10s" min:"1s" max:"10m" doc:"Time limit of one look-up."`
	File         string            `key:"file" backend:"file" missing:"name the file: CSV whose first line names the columns" doc:"Backend file: CSV, the names of the columns in its first line, such as name,allowed,numbers_allowed,caller_id. Read anew when it changes."`
	Driver       string            `key:"driver" backend:"sql" missing:"write one of: postgres, mysql, sqlite" doc:"Backend sql: as in authentication."`
	DSN          string            `key:"dsn" secret:"value" backend:"sql" missing:"say where the database is, as the driver writes it" doc:"Backend sql: as in authentication. Better given by environment if it holds a password."`
	Query        string            `key:"query" backend:"sql" missing:"write the query for the columns, for example SELECT name, allowed, numbers_allowed FROM senders WHERE name = ? (for postgres $1)" doc:"Backend sql: returns the columns of one sender, such as SELECT name, allowed, numbers_allowed, caller_id FROM senders WHERE lower(name) = ?; one placeholder for the sender, $1 for postgres, else ?. Two rows are an error."`
	URL          string            `key:"url" backend:"ldap" missing:"write ldap://host or ldaps://host" doc:"Backend ldap: as in authentication."`
	BaseDN       string            `key:"base_dn" backend:"ldap" missing:"say where senders are, for example ou=people,dc=example,dc=com" doc:"Backend ldap: where senders are searched."`
	Filter       string            `key:"filter" backend:"ldap" missing:"say how senders are found, for example (mail=%s)" doc:"Backend ldap: finds the sender, such as (mail=%s); %s stands for it."`
	Attributes   map[string]string `key:"attributes" backend:"ldap" missing:"say which attribute is which column, at least name, for example {name: mail}" doc:"Backend ldap: column to attribute, such as {name: mail, caller_id: telephoneNumber}. Of several values of an attribute the first counts; those of allowed and numbers_allowed count all."`
	StartTLS     bool              `key:"start_tls" backend:"ldap" default:"0" doc:"Backend ldap: encrypt ldap:// connections."`
	BindDN       string            `key:"bind_dn" backend:"ldap" doc:"Backend ldap: account for the search. Empty: anonymous."`
	BindPassword string            `key:"bind_password" secret:"value" backend:"ldap" doc:"Backend ldap: its password."`
}

// TLS holds the keys of the section tls, what the standalone listener shows to
// its clients.
type TLS struct {
	CertFile   string `key:"cert_file" doc:"Standalone: certificate in PEM, the chain after it. With it STARTTLS is offered on smtp_port. It is read anew when it changes and at a reload. Empty: no TLS."`
	KeyFile    string `key:"key_file" secret:"file" doc:"Private key of the certificate in PEM, without a passphrase."`
	MinVersion string `key:"min_version" default:"1.2" oneof:"1.2|1.3" doc:"Lowest version of TLS accepted from clients."`
	Port       int    `key:"port" start:"next" default:"0" min:"0" max:"65535" doc:"Standalone: a second TCP port, where clients speak TLS from the first byte; 465 is the usual one. 0: none."`
}

// LMTP holds the keys of the section lmtp.
type LMTP struct {
	Listen       string `key:"listen" start:"next" doc:"Standalone: where a mail server may hand in fax and SMS by LMTP, with one reply for each recipient: unix:PATH, inet:HOST:PORT or inet6:[HOST]:PORT. A recipient that no application takes is refused with 550 5.1.1; LMTP never forwards. A client at the Unix socket counts as localhost, one at a port must be on the lists. Empty: off."`
	PolicyListen string `key:"policy_listen" start:"next" doc:"Standalone: where Postfix may ask at RCPT about a recipient that it will hand in by LMTP (check_policy_service), so that a refusal is an SMTP reply and no bounce: unix:PATH, inet:HOST:PORT or inet6:[HOST]:PORT. The lists of clients and require_authenticated are held there, for the client that mails, and no longer at the Unix socket of listen. Whoever reaches it is believed. Empty: off."`
	SocketMode   uint32 `key:"socket_mode" start:"next" default:"0660" type:"mode" doc:"Permissions of the Unix sockets, octal, in quotes."`
	SocketGroup  string `key:"socket_group" start:"next" doc:"Group of the Unix sockets. Empty: the group of the process."`
}

// Milter holds the keys of the section milter.
type Milter struct {
	Listen           string        `key:"listen" start:"next" default:"unix:/run/smtpreceiver/milter.sock" required:"true" doc:"Where the mail server reaches the milter: unix:PATH, inet:HOST:PORT, inet6:[HOST]:PORT, or fd: for systemd socket activation."`
	PolicyListen     string        `key:"policy_listen" start:"next" doc:"Where Postfix may ask at RCPT about a recipient (check_policy_service), for a milter that sits behind its queue, so that a refusal is an SMTP reply and no bounce; as listen. Whoever reaches it is believed. Empty: off."`
	SocketMode       uint32        `key:"socket_mode" start:"next" default:"0660" type:"mode" doc:"Permissions of the Unix sockets, octal, in quotes."`
	SocketGroup      string        `key:"socket_group" start:"next" doc:"Group of the Unix sockets. Empty: the group of the process."`
	Timeout          time.Duration `key:"timeout" default:"10m" min:"1s" max:"24h" doc:"How long the mail server may be silent between two commands."`
	OnUnlistedClient string        `key:"on_unlisted_client" default:"reject" oneof:"reject|pass" doc:"A recipient of ours from a client that no list allows: reject it, or pass it on to the mail server."`
}

// Metrics holds the keys of the section metrics.
type Metrics struct {
	Listen      string   `key:"listen" start:"next" doc:"Where people, Prometheus, probes and smtpreceiver status ask what the program does: inet:HOST:PORT, inet6:[HOST]:PORT or unix:PATH. / is a page for a browser; /metrics, /healthz, /readyz (503 with the reasons) and /errors, the last errors and warnings. Nobody has to log in, and /errors holds addresses from mail: use 127.0.0.1 or a socket, where the page shows the last jobs too. Empty: off."`
	SocketMode  uint32   `key:"socket_mode" start:"next" default:"0660" type:"mode" doc:"Permissions of the Unix socket, octal, in quotes."`
	SocketGroup string   `key:"socket_group" start:"next" doc:"Group of the Unix socket. Empty: the group of the process."`
	Hosts       []string `key:"hosts" start:"next" doc:"Names by which this machine is asked for the page, /metrics and /errors, besides localhost, its own names and IP addresses; any other gets 421, so that no web page can have a browser read them. /healthz and /readyz answer to any name."`
}

// Queue holds the keys of the section queue: where jobs go instead of output
// folders, so that several gateways and consumers share them.
type Queue struct {
	Servers         []string      `key:"servers" start:"next" doc:"Servers of NATS JetStream that get the jobs instead of output folders, such as nats://mq1:4222, or tls:// for TLS; name all of a cluster. A 250 then says that most of them have the mail on disk. Empty: output folders."`
	Monitor         []string      `key:"monitor" start:"next" doc:"Monitoring address of each of them, such as http://mq1:8222, where they are asked whether they acknowledge after fsync (sync_interval: always)."`
	Unsynced        string        `key:"unsynced" start:"next" default:"refuse" oneof:"refuse|accept" doc:"Servers that acknowledge before fsync, or cannot be asked: refuse, or accept that a power cut may lose mail that was answered 250."`
	CredentialsFile string        `key:"credentials_file" start:"next" secret:"file" doc:"Credentials of this gateway, as nsc writes them."`
	Username        string        `key:"username" start:"next" doc:"User name at the servers. Empty: no login, or credentials_file."`
	Password        string        `key:"password" start:"next" secret:"value" doc:"Its password. Better given by environment than in a file others can read."`
	TLSCAFile       string        `key:"tls_ca_file" start:"next" doc:"Authorities in PEM that sign the servers' certificates. Empty: those that this machine trusts."`
	TLSCertFile     string        `key:"tls_cert_file" start:"next" doc:"Certificate in PEM that is shown to the servers. Empty: none."`
	TLSKeyFile      string        `key:"tls_key_file" start:"next" secret:"file" doc:"Private key of that certificate, in PEM."`
	Name            string        `key:"name" start:"next" default:"smtpreceiver" required:"true" doc:"Begins the names of streams and subjects, so that several installations can share a cluster: small letters, digits and '-', at most 32."`
	Replicas        int           `key:"replicas" start:"next" default:"3" oneof:"1|3|5" doc:"Servers that keep each job. 1 survives no loss of a server."`
	MaxSize         int64         `key:"max_size" start:"next" default:"10GiB" type:"size" min:"1MiB" max:"1PiB" doc:"What jobs and their files may take on each server; past it 452 4.3.1, and min_free_space below it."`
	CommitTimeout   time.Duration `key:"commit_timeout" start:"next" default:"60s" min:"5s" max:"5m" doc:"How long an acknowledgement is waited for; past it the jobs are withdrawn and the answer is 451."`
}

// On says whether jobs go into a queue.
func (q *Queue) On() bool { return len(q.Servers) > 0 }

// NeedsScratch says whether mail for an application needs room in state_directory:
// archives are unpacked there, and a queue has no other place for large messages.
func (s *Settings) NeedsScratch(app *Application) bool {
	return s.Queue.On() || app.ProcessAttachments && len(app.Dearchive) > 0
}

// Application holds the keys of one applications.<name>.
// NonstandardDataTerminator holds the bytes, escapes decoded.
type Application struct {
	Enabled                          bool                `key:"enabled" default:"1" doc:"0 switches the application off."`
	OutputFolder                     string              `key:"output_folder" required:"folders" example:"/var/spool/smtpreceiver/fax" doc:"Folder where the jobs appear; none with queue.servers."`
	CTLType                          string              `key:"ctl_type" required:"true" oneof:"fax|sms" example:"fax" doc:"Kind of the control file: fax or sms."`
	Addresses                        []string            `key:"addresses" required:"true" example:"(?P<number>\\+?\\d+)@fax$" doc:"Regular expressions for the recipients of this application; the named groups number, name, company and dept go into the CTL."`
	FromEnabled                      []string            `key:"from_enabled" default:".*" required:"true" doc:"Regular expressions for the envelope senders allowed."`
	FromDisabled                     []string            `key:"from_disabled" doc:"Regular expressions for envelope senders not allowed; they win over from_enabled."`
	NumberRegion                     string              `key:"number_region" doc:"As the global number_region, over which it wins."`
	NumbersAllowed                   []string            `key:"numbers_allowed" doc:"Regular expressions for the numbers that may be sent to. They see what is dialled: '+' and digits, without separators. Empty: every number."`
	NumbersDenied                    []string            `key:"numbers_denied" doc:"Regular expressions for numbers that may not be sent to, such as '\\+?(00)?90\\d+', or '\\+42090\\d+' with number_region CZ; they see what is dialled and win over numbers_allowed. The answer is 550 5.7.1."`
	MaxJobsPerSender                 int                 `key:"max_jobs_per_sender" default:"0" min:"0" max:"1000000" doc:"Jobs of one envelope sender, or of one authenticated user, within an hour; past it 450 4.7.1. Each process counts for itself, also over a restart; with queue.servers all count together. 0: no limit."`
	MaxJobsPerClient                 int                 `key:"max_jobs_per_client" default:"0" min:"0" max:"1000000" doc:"Jobs of one client within an hour, an IPv4 address or an IPv6 network of 64 bits; past it 450 4.7.1. Each process counts for itself, also over a restart; with queue.servers all count together. 0: no limit."`
	MaxParts                         int                 `key:"max_parts" default:"10" min:"0" max:"255" doc:"SMS: most parts that one text may make, counted as the network does (160 letters of the GSM alphabet in one, 153 in each of several; 70 and 67 with any other letter). system/maxlen of the CTL may ask for less. A longer text is cut, or not sent where system/action is 1 or 2. It holds where smtpreceiver hands on, not for a reader of the folder. 0: no limit."`
	SMSText                          []string            `key:"sms_text" split:";" doc:"SMS: what the text is written without: signature (from a line '-- ' on), quote (a reply quoted at the end, with the line that says who wrote it), mark:TEXT (from TEXT on)."`
	Clients                          []string            `key:"clients" doc:"Clients allowed to use this application, as in the global list. Empty: the global list applies."`
	RequireAuthenticated             bool                `key:"require_authenticated" default:"0" doc:"Only clients that have authenticated may use this application, whatever the lists say. By LMTP nobody authenticates: there it holds at lmtp.policy_listen alone, and without that key all is refused."`
	ProcessAttachments               bool                `key:"process_attachments" default:"0" doc:"Write attachments as files of the job."`
	InlinePictures                   bool                `key:"inline_pictures" default:"0" doc:"Attachments are also the small pictures that only the HTML of a mail shows, such as the logo of a signature. 0: only those larger than 400 x 400 pixels, and all of a mail that has no words."`
	ProcessAnonymous                 bool                `key:"process_anonymous" default:"0" doc:"Take mail with the null sender <>, typically delivery reports. 0: 550 5.7.1."`
	ProcessAttMsg                    bool                `key:"process_att_msg" default:"0" doc:"Process the first attached message instead of the message around it."`
	FormatPreference                 []string            `key:"format_preference" default:"txt" split:";" required:"true" oneof:"txt|eml|mht|htm" doc:"Formats in order of preference, separated by ';': txt, eml, mht, htm."`
	CmdTags                          string              `key:"cmd_tags" doc:"Set of @commands users may write: a name from tags, mobilchange or faxchange. Empty: none."`
	NonstandardDataTerminator        string              `key:"nonstandard_data_terminator" type:"escaped" doc:"Another end of DATA for the clients of the next key, such as '\\r\\n .\\r\\n' with the escapes written out; the standard one ends their messages too. After such an end the connection forwards nothing more (421 4.7.0: connect again)."`
	NonstandardDataTerminatorClients []string            `key:"nonstandard_data_terminator_clients" doc:"Clients that end DATA with nonstandard_data_terminator, whatever the application of their recipients. List only those that do: whoever writes the text of a mail that another client hands on could end it there and add commands."`
	CTLSettings                      []string            `key:"ctl_settings" doc:"CTL values: 'section|key = value', or 'section|key|parse|item = expression' for the first group of the expression in that item."`
	Transform                        map[string]string   `key:"transform" doc:"Templates by target: subject, txt, from/name and other section/key."`
	CTLLayout                        map[string]string   `key:"ctl_layout" doc:"As the global ctl_layout, over which it wins."`
	Dearchive                        map[string][]string `key:"dearchive" doc:"External unpackers: file extension to command, a list of program and arguments with {archive} and {dir}."`
	DearchiveTimeout                 time.Duration       `key:"dearchive_timeout" default:"60s" min:"1s" max:"1h" doc:"Time limit for unpacking the archives of one message."`
	DearchiveMaxSize                 int64               `key:"dearchive_max_size" default:"200MiB" type:"size" min:"1" max:"1TiB" doc:"Size limit of what is unpacked from one message. max_mime_parts limits the number of files."`
}

// Consumer holds the keys of one consume.<name>: who gets the jobs of an application.
type Consumer struct {
	Application      string              `key:"application" doc:"The application whose jobs are handed on. Empty: the one with the name of this section."`
	Target           string              `key:"target" required:"true" oneof:"hylafax|smstools|gammu|asterisk|command|http|folder" example:"hylafax" doc:"Who gets the jobs: HylaFAX (by sendfax), smstools3, gammu-smsd with its files backend, Asterisk (by call files), any command, a web service, or the reader of another folder."`
	Server           string              `key:"server" doc:"hylafax: HOST or HOST:PORT of its server. Empty: the one that sendfax knows."`
	Arguments        []string            `key:"arguments" doc:"hylafax: more arguments for sendfax, such as -m for fine resolution or -s and a4."`
	SkipUnknown      bool                `key:"skip_unknown" default:"1" doc:"hylafax: leave out attachments that cannot be faxed; the log and the end of the fax name them. A message that has no other pages fails. 0: each such job fails."`
	Cover            bool                `key:"cover" default:"0" doc:"hylafax: 1: its cover page in front, with the subject and the names, companies and departments of recipient and sender (of the sender: from/company and from/dept of the CTL). arguments wins: -C for a template, -n for none."`
	Convert          map[string][]string `key:"convert" doc:"hylafax: programs that make what can be faxed of other attachments: file extension to command, a list of program and arguments with {file} and {dir}, as dearchive has it."`
	ConvertTimeout   time.Duration       `key:"convert_timeout" default:"2m" min:"1s" max:"1h" doc:"hylafax: time limit for converting the attachments of one job. Past it the job waits for another try."`
	ConvertMaxSize   int64               `key:"convert_max_size" default:"200MiB" type:"size" min:"1" max:"1TiB" doc:"hylafax: size limit of what is converted for one job."`
	ConvertMaxMemory int64               `key:"convert_max_memory" default:"2GiB" type:"size" min:"0" max:"1TiB" doc:"hylafax: memory that each process of a converter may ask for, on Linux and Windows. 0: no limit."`
	TargetFolder     string              `key:"target_folder" doc:"smstools, gammu, asterisk, folder: the folder it takes its files from, such as /var/spool/sms/outgoing, /var/spool/gammu/outbox or /var/spool/asterisk/outgoing."`
	Channel          string              `key:"channel" doc:"asterisk: the channel to dial, such as PJSIP/{number}@trunk."`
	Context          string              `key:"context" default:"smtpreceiver" doc:"asterisk: the dialplan context that gets the answered call, at extension s, with the job in variables."`
	Command          []string            `key:"command" doc:"command: a program with full path and its arguments, in which {number} {name} {subject} {from} {id} {app} {txt} {ctl} {attachments} stand for those of the job. Exit status 0: done; 75: try again later; any other: failed."`
	URL              string              `key:"url" doc:"http: the address of the service, http:// or https://. {env:NAME} here and in each value below stands for an environment variable of the consumer, so that no password stands in a file: it is in no log."`
	Method           string              `key:"method" default:"POST" oneof:"POST|PUT|PATCH|GET" doc:"http: the method; GET has query only."`
	Headers          map[string]string   `key:"headers" doc:"http: header fields, such as Authorization: 'Bearer {env:SMS_TOKEN}'."`
	Query            map[string]string   `key:"query" doc:"http: parameters behind the address. In each value {number} {digits} (the number without '+') {name} {subject} {from} {id} {app} {key} (unique, the same at each try) {text} {parts} (how many SMS) {hex} (the text in GSM septets or UTF-16, in hexadecimal) stand for those of the job, encoded so that none can become another parameter; {gsm:A|B} is A if the text is in the GSM alphabet and else B, so are {report:A|B} for who wants a delivery report and {flash:A|B}."`
	Form             map[string]string   `key:"form" doc:"http: the body as a form, with the values of query."`
	JSON             *Tree               `key:"json" doc:"http: the body as JSON, of any depth, with the values of query; '{attachments}' by itself is the list of their names."`
	Multipart        map[string]string   `key:"multipart" doc:"http: the body as multipart/form-data, with the values of query; '{attachments}' by itself is one file for each attachment."`
	Success          string              `key:"success" doc:"http: regular expression for the answer of a service that says 2xx to failures too; a 2xx answer without it is a failure for good. Empty: 2xx is success."`
	Idempotency      string              `key:"idempotency_header" doc:"http: header field by which the service knows a job that it has got already, such as Idempotency-Key. A request without an answer is then sent again, up to 23 hours after the first of them, instead of being in doubt; so is one that is answered 409, the service being at it still."`
	Proxy            string              `key:"proxy" doc:"http: the proxy, such as http://proxy.example.com:3128. Empty: as HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment say."`
	CAFile           string              `key:"ca_file" doc:"http: certificates in PEM of the authorities to trust, in place of the system's."`
	InDoubt          string              `key:"in_doubt" default:"fail" oneof:"fail|resend" doc:"A job that was being handed over when the machine or this program died, and of which the target cannot tell whether it has it: fail (never sent twice) or resend (never lost)."`
	Workers          int                 `key:"workers" default:"0" min:"0" max:"1000" doc:"Jobs handed on at once. Those of high priority go first, then the oldest; those to one number one after the other. 0: 1 for hylafax and asterisk, 4 for the others."`
	Outcomes         string              `key:"outcomes" default:"handover" oneof:"handover|handler" doc:"When a sender that asked for it hears of a success (see reports): handover, when the target has the job; handler, when an event handler of the target says so (smtpreceiver jobs outcome), which may also say that it failed after all."`
	OnFailed         []string            `key:"on_failed" doc:"A program with full path and its arguments, run for each job that has failed for good; the placeholders of command, and {reason}. It may run twice for a job if this program dies meanwhile."`
	DoneFolder       string              `key:"done_folder" doc:"Where jobs go that were handed on, one folder a day; in the file system of the output folder. Empty: .done in the output folder."`
	FailedFolder     string              `key:"failed_folder" doc:"Where jobs go that could not be handed on, each with a file .err that says why; as done_folder. Empty: .failed in the output folder."`
	KeepDoneDays     int                 `key:"keep_done_days" default:"7" min:"0" max:"36500" doc:"Days after which jobs that were handed on are removed. 0: they are kept for ever."`
	KeepFailedDays   int                 `key:"keep_failed_days" default:"0" min:"0" max:"36500" doc:"Days after which jobs that have failed are removed. 0: they are kept until somebody has looked."`
	PollInterval     time.Duration       `key:"poll_interval" default:"10s" min:"100ms" max:"1h" doc:"How often the output folder is looked at where its file system tells nothing by itself, as NFS."`
	RetryDelay       time.Duration       `key:"retry_delay" default:"1m" min:"10ms" max:"24h" doc:"Time until a job that could not be handed over is tried again; twice as long after each further try."`
	RetryDelayMax    time.Duration       `key:"retry_delay_max" default:"1h" min:"10ms" max:"24h" doc:"The longest such time."`
	GiveUpAfter      time.Duration       `key:"give_up_after" default:"24h" min:"0s" max:"8760h" doc:"Time after which such a job has failed for good, from the moment when it should have been handed over; also while the target is down."`
	WorkDirectory    string              `key:"work_directory" doc:"With queue.servers: where jobs are that this machine hands on or has handed on; the consumer has a folder of its name in it. Empty: beside state_directory, its name with -consume, which the unit smtpreceiver-consume@ makes."`
	TakeoverAfter    time.Duration       `key:"takeover_after" default:"30m" min:"1s" max:"8760h" doc:"With queue.servers: time after which a job that a consumer on another machine has begun, and not brought to an end, is another's. Unless both have the same target, which can be asked, in_doubt decides. It must be longer than timeout."`
	Timeout          time.Duration       `key:"timeout" default:"10m" min:"1s" max:"24h" doc:"Time limit of one try."`
}

//! Certificates of the tests' own, made by openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of certificates and keys; gone when dropped.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate `name`.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.crt"))
    }

    /// The key of `name`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }

    /// A certificate signed by itself, as PostgreSQL's manual makes one: an authority, and good for a server that it alone knows.
    pub fn own(&self, name: &str, common: &str) {
        let subject = format!("/CN={common}");
        let mut arguments = NEW_KEY.to_vec();
        arguments.extend(["-x509", "-days", "30", "-subj", &subject, "-keyout", "KEY", "-out", "CRT"]);
        self.openssl(name, &arguments);
    }

    /// A certificate signed by `authority`, with `extensions` as openssl's files have them; with none it is of version 1.
    pub fn signed(&self, name: &str, common: &str, authority: &str, extensions: &str) {
        self.dated(name, common, authority, extensions, "20200101000000Z", "20991231235959Z");
    }

    /// The same, good from one moment to another.
    pub fn dated(&self, name: &str, common: &str, authority: &str, extensions: &str, from: &str, to: &str) {
        let subject = format!("/CN={common}");
        let mut request = NEW_KEY.to_vec();
        request.extend(["-subj", &subject, "-keyout", "KEY", "-out", "CSR"]);
        self.openssl(name, &request);
        let settings = "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n\
                        unique_subject=no\nemail_in_dn=no\n[any]\ncommonName=supplied\n";
        self.write("settings", settings);
        self.write("index", "");
        self.write("extensions", extensions);
        let (by, its) = (format!("{authority}.crt"), format!("{authority}.key"));
        let mut sign = vec!["ca", "-batch", "-notext", "-config", "settings", "-cert", &by, "-keyfile", &its];
        sign.extend(["-startdate", from, "-enddate", to, "-in", "CSR", "-out", "CRT"]);
        if !extensions.is_empty() {
            sign.extend(["-extfile", "extensions"]);
        }
        self.openssl(name, &sign);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Runs openssl in the folder, with the files of `name` in the places of KEY, CRT and CSR.
    fn openssl(&self, name: &str, arguments: &[&str]) {
        let file = |word: &&str| match *word {
            "KEY" => format!("{name}.key"),
            "CRT" => format!("{name}.crt"),
            "CSR" => format!("{name}.csr"),
            other => other.to_owned(),
        };
        let arguments: Vec<String> = arguments.iter().map(file).collect();
        let output = Command::new("openssl").args(&arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

const NEW_KEY: [&str; 6] = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

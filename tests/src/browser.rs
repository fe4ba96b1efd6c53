//! A browser as far as the reviewers' page needs one: it keeps cookies for a host, follows redirects one at a time, and sends
//! forms. It runs no script: the page has to work without.

use crate::{api::install_crypto, cluster::Cluster};
use anyhow::Context as _;
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url, header, redirect::Policy};
use std::{collections::BTreeMap, fs, time::Duration};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// The browser. Everything here is on one host: cookies know no ports (RFC 6265, section 8.5).
#[derive(Debug)]
pub struct Browser {
    client: Client,
    jar: BTreeMap<String, String>,
}

/// What it got.
#[derive(Debug)]
pub struct Seen {
    /// Where it is.
    pub url: Url,
    /// The status.
    pub status: StatusCode,
    /// Where it is sent on to.
    pub location: Option<Url>,
    /// The page.
    pub text: String,
}

impl Seen {
    /// The value of a field of a form, without what HTML escapes.
    pub fn field(&self, name: &str) -> anyhow::Result<String> {
        let marked = format!("name=\"{name}\" value=\"");
        let (_, behind) = self
            .text
            .split_once(&marked)
            .with_context(|| format!("no `{name}` in {}", self.text))?;
        let (value, _) = behind.split_once('"').context("an open attribute")?;
        Ok(value.replace("&amp;", "&").replace("&quot;", "\""))
    }
}

impl Browser {
    /// One that trusts the cluster's authority.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        install_crypto();
        let authority = fs::read(cluster.environment().get("CS_CA")?)?;
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .redirect(Policy::none())
            .timeout(DEADLINE)
            .no_proxy()
            .build()?;
        Ok(Self { client, jar: BTreeMap::new() })
    }

    /// Loads an address.
    pub async fn get(&mut self, url: &str) -> anyhow::Result<Seen> {
        self.send(Method::GET, Url::parse(url)?, None).await
    }

    /// Sends a form from a page.
    pub async fn post(&mut self, url: &Url, form: &[(&str, &str)]) -> anyhow::Result<Seen> {
        self.send(Method::POST, url.clone(), Some(form)).await
    }

    /// Signs in at a node, as one of the people of the development issuer.
    pub async fn sign_in(
        &mut self,
        cluster: &Cluster,
        node: usize,
        name: &str,
    ) -> anyhow::Result<()> {
        let api = cluster.environment().of_node("CS_API", node)?;
        let seen = self.get(&format!("{api}/login/dev-people")).await?;
        let issuer = seen.location.with_context(|| seen.text.clone())?;
        let form = self.get(issuer.as_str()).await?;
        let asked: Vec<(String, String)> = issuer.query_pairs().into_owned().collect();
        let mut fields: Vec<(&str, &str)> = asked
            .iter()
            .filter(|(name, _)| name != "scope")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let password = cluster.environment().get("CS_PEOPLE_PASSWORD")?;
        fields.extend([("name", name), ("password", password)]);
        let mut to = form.url.clone();
        to.set_query(None);
        let granted = self.post(&to, &fields).await?;
        let back = granted.location.with_context(|| granted.text.clone())?;
        let seen = self.get(back.as_str()).await?;
        anyhow::ensure!(seen.status == StatusCode::SEE_OTHER, "not signed in: {seen:?}");
        Ok(())
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        form: Option<&[(&str, &str)]>,
    ) -> anyhow::Result<Seen> {
        let jar: Vec<String> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            self.client.request(method, url.clone()).header(header::COOKIE, jar.join("; "));
        if let Some(form) = form {
            let origin = url.origin().ascii_serialization();
            request = request
                .header(header::ORIGIN, origin)
                .header("sec-fetch-site", "same-origin")
                .form(form);
        }
        let answer = request.send().await?;
        self.keep(&answer)?;
        let location = match answer.headers().get(header::LOCATION) {
            None => None,
            Some(to) => Some(url.join(to.to_str()?)?),
        };
        let status = answer.status();
        Ok(Seen { url, status, location, text: answer.text().await? })
    }

    fn keep(&mut self, answer: &Response) -> anyhow::Result<()> {
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let set = set.to_str()?;
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a name")?;
            if set.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }
}

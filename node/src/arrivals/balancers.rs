//! The load balancers whose word on clients' addresses counts.

use ipnet::IpNet;
use std::net::IpAddr;

/// Networks that balancers are in; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balancers(Vec<IpNet>);

/// Why a list of balancers is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BalancersError {
    /// Nothing is listed.
    #[error("the list is empty: nobody could connect")]
    Empty,
    /// This entry is no network.
    #[error("`{0}` is neither an address nor a network such as 10.0.0.0/24")]
    Unreadable(String),
    /// This entry is every network.
    #[error("`{0}` is everybody: whoever reaches the listener could take any address")]
    Everybody(String),
}

impl Balancers {
    pub(crate) fn read(texts: &[String]) -> Result<Self, BalancersError> {
        let networks = texts.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
        if networks.is_empty() { Err(BalancersError::Empty) } else { Ok(Self(networks)) }
    }

    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        // A listener of both families sees addresses of IPv4 inside IPv6.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Result<IpNet, BalancersError> {
    let unreadable = || BalancersError::Unreadable(text.to_owned());
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse::<IpNet>().map_err(|_| unreadable())?,
    };
    if network.prefix_len() == 0 {
        return Err(BalancersError::Everybody(text.to_owned()));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Balancers, BalancersError> {
        Balancers::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn addresses_and_networks_are_balancers_and_their_neighbours_are_not() {
        let balancers = read(&["10.1.2.3", "10.9.0.0/30", "fd00::/64", "::ffff:10.7.7.7"]).unwrap();
        let contain = |text: &str| balancers.contain(text.parse().unwrap());
        for one in ["10.1.2.3", "::ffff:10.1.2.3", "10.9.0.2", "fd00::1", "10.7.7.7"] {
            assert!(contain(one), "{one}");
        }
        for other in ["10.1.2.4", "10.9.0.4", "fd00:0:0:1::1", "127.0.0.1", "::1"] {
            assert!(!contain(other), "{other}");
        }
    }

    #[test]
    fn a_list_that_names_nobody_or_everybody_is_none() {
        assert_eq!(read(&[]), Err(BalancersError::Empty));
        for text in ["", "lb.internal", "10.0.0.1:80", "10.0.0.0/33", "10.0.0.0/"] {
            assert_eq!(read(&[text]), Err(BalancersError::Unreadable(text.to_owned())));
        }
        for text in ["0.0.0.0/0", "::/0"] {
            assert_eq!(read(&[text]), Err(BalancersError::Everybody(text.to_owned())));
        }
    }
}

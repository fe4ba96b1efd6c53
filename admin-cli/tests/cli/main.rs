//! The command line as its users meet it. Nothing is tested here of what a node does.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod following;
#[cfg(test)]
mod login;
#[cfg(test)]
mod stub;

mod gateways;
mod keys;
mod modes;
mod policies;
mod rollouts;

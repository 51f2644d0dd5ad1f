package ctr;
class Placeholder {}
